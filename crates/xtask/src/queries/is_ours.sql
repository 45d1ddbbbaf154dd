-- True for a database that Callboard has migrated, and for one that holds no tables at all.
select to_regclass('callboard.logs') is not null
    or not exists (
        select
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p')
          and n.nspname not in ('pg_catalog', 'information_schema')
          and n.nspname not like 'pg\_%'
          -- What a migration that was cut off has left.
          and n.nspname not in ('callboard')
          and c.relname not like '\_sqlx\_%'
    )
