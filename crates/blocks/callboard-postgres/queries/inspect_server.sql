select
    current_setting('server_version'),
    current_setting('server_version_num')::integer,
    current_user::text,
    r.rolsuper,
    clock_timestamp(),
    exists (select from pg_catalog.pg_roles s where s.rolname = $1),
    coalesce(
        (select pg_catalog.pg_has_role(current_user, s.oid, 'member') from pg_catalog.pg_roles s where s.rolname = $1),
        false
    )
from pg_catalog.pg_roles r
where r.rolname = current_user
