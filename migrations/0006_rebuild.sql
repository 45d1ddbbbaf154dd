-- Rebuilding a projection beside the table that is being read, and putting it in that table's place.
-- A shadow lives in a schema of its own (<schema>__next, the replaced one in <schema>__before), so
-- that its constraints and indexes have their names from the beginning.

create table callboard.rebuilds (
    log                  text collate "C" not null,
    subscriber           text collate "C" not null,
    version              integer not null,
    position             bigint not null default 0,
    event_id             uuid not null default '00000000-0000-0000-0000-000000000000',
    -- The head when it began.
    target               bigint not null,
    state                text collate "C" not null default 'running',
    reason               text,
    -- The most that an operator allows; none is as fast as it goes.
    throttle             integer,
    -- As measured lately.
    events_per_second    double precision,
    -- Whether the shadow was made for this row.
    has_shadow           boolean not null default false,
    started_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    constraint rebuilds_pkey primary key (log, subscriber),
    constraint rebuilds_subscriber_fkey foreign key (log, subscriber) references callboard.subscribers (log, name),
    constraint rebuilds_state_check check (state in ('running', 'paused', 'failed')),
    constraint rebuilds_position_check check (position >= 0),
    constraint rebuilds_throttle_check check (throttle > 0)
) with (fillfactor = 20);

-- What undo puts back: the checkpoint of the table that was replaced.
create table callboard.replaced_tables (
    log         text collate "C" not null,
    subscriber  text collate "C" not null,
    version     integer not null,
    position    bigint not null,
    event_id    uuid not null,
    replaced_at timestamptz not null default now(),
    constraint replaced_tables_pkey primary key (log, subscriber),
    constraint replaced_tables_subscriber_fkey foreign key (log, subscriber)
        references callboard.subscribers (log, name)
);

-- Answers a read table that may be rebuilt, or says why not. These functions run as their owner, so
-- they take only tables of that owner's of which the services' role may write every row anyway.
create function callboard.rebuildable_table(in_table text) returns oid
language plpgsql stable security definer set search_path = '' as $$
declare
    live  pg_catalog.pg_class%rowtype;
    place text;
    hanging text;
begin
    select c.* into live from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass(in_table);
    if not found then
        raise exception 'there is no table %', in_table using errcode = 'undefined_table';
    end if;
    select n.nspname into place from pg_catalog.pg_namespace n where n.oid = live.relnamespace;
    if place in ('callboard', 'information_schema') or place like 'pg\_%' or place like '%\_\_next'
        or place like '%\_\_before' or octet_length(place) > 55
    then
        raise exception 'the table % is in no schema for read tables: move it to one of its own with a name of at most 55 bytes', in_table
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if live.relkind <> 'r' or live.relpersistence = 't' or live.relispartition
        or exists (select from pg_catalog.pg_inherits i where i.inhrelid = live.oid)
    then
        raise exception '% is no plain table, so it can''t be rebuilt beside the one that is being read: make it one', in_table
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if live.relowner <> (select r.oid from pg_catalog.pg_roles r where r.rolname = current_user)
        or not pg_catalog.has_table_privilege('callboard_service', live.oid, 'insert')
        or not pg_catalog.has_table_privilege('callboard_service', live.oid, 'update')
        or not pg_catalog.has_table_privilege('callboard_service', live.oid, 'delete')
    then
        raise exception 'the table % must be owned by %, and callboard_service must be allowed to insert, update and delete in it', in_table, current_user
            using errcode = 'insufficient_privilege';
    end if;
    if live.relrowsecurity or live.relforcerowsecurity then
        raise exception 'row level security on % can''t be carried over to a rebuilt table: disable it', in_table
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    -- Whatever hangs on the table, except for what a shadow gets, too: indexes, defaults, its own
    -- constraints, and what Postgres itself makes of a table.
    select pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) into hanging
    from pg_catalog.pg_depend d
    where (
            (d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = live.oid)
            or (d.refclassid = 'pg_catalog.pg_type'::regclass and d.refobjid in (
                select t.oid from pg_catalog.pg_type t where t.oid = live.reltype or t.typelem = live.reltype
            ))
        )
        and d.deptype <> 'i'
        and not (d.classid = 'pg_catalog.pg_class'::regclass and exists (
            select from pg_catalog.pg_index i where i.indexrelid = d.objid and i.indrelid = live.oid
        ))
        and not (d.classid = 'pg_catalog.pg_attrdef'::regclass and exists (
            select from pg_catalog.pg_attrdef a where a.oid = d.objid and a.adrelid = live.oid
        ))
        and not (d.classid = 'pg_catalog.pg_constraint'::regclass and exists (
            select from pg_catalog.pg_constraint c
            where c.oid = d.objid and c.conrelid = live.oid and c.contype in ('p', 'u', 'x', 'c', 'n')
        ))
    order by d.classid, d.objid
    limit 1;
    if hanging is not null then
        raise exception '% can''t be carried over to a rebuilt %: drop it, rebuild, and create it again', hanging, in_table
            using errcode = 'dependent_objects_still_exist';
    end if;
    return live.oid;
end;
$$;

-- The name, as SQL writes it, of the table that stands beside a read table in the schema with this ending.
create function callboard.beside(in_table oid, in_ending text) returns text
language sql stable set search_path = '' as $$
    select pg_catalog.format('%I.%I', n.nspname || in_ending, c.relname)
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = in_table;
$$;

-- A table's columns, to compare.
create function callboard.columns_of(in_table oid) returns text[]
language sql stable set search_path = '' as $$
    select pg_catalog.array_agg(
        pg_catalog.format('%s %s %s %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation)
        order by a.attname
    )
    from pg_catalog.pg_attribute a
    where a.attrelid = in_table and a.attnum > 0 and not a.attisdropped;
$$;

-- Gives one table the rights of another, those on columns included.
create function callboard.copy_rights(in_from oid, in_to oid) returns void
language plpgsql set search_path = '' as $$
declare
    given record;
begin
    for given in
        select distinct r.rolname from pg_catalog.pg_class c
        cross join lateral pg_catalog.aclexplode(c.relacl) a
        left join pg_catalog.pg_roles r on r.oid = a.grantee
        where c.oid = in_to and a.grantee <> c.relowner
    loop
        execute pg_catalog.format('revoke all on table %s from %s', in_to::regclass, coalesce(pg_catalog.quote_ident(given.rolname), 'public'));
    end loop;
    for given in
        select a.privilege_type, a.is_grantable, r.rolname, null::name as attname
        from pg_catalog.pg_class c
        cross join lateral pg_catalog.aclexplode(c.relacl) a
        left join pg_catalog.pg_roles r on r.oid = a.grantee
        where c.oid = in_from and a.grantee <> c.relowner
        union all
        select a.privilege_type, a.is_grantable, r.rolname, t.attname
        from pg_catalog.pg_attribute t
        cross join lateral pg_catalog.aclexplode(t.attacl) a
        left join pg_catalog.pg_roles r on r.oid = a.grantee
        where t.attrelid = in_from and t.attnum > 0 and not t.attisdropped
    loop
        execute pg_catalog.format(
            'grant %s%s on table %s to %s%s',
            given.privilege_type,
            case when given.attname is not null then pg_catalog.format(' (%I)', given.attname) end,
            in_to::regclass,
            coalesce(pg_catalog.quote_ident(given.rolname), 'public'),
            case when given.is_grantable then ' with grant option' end
        );
    end loop;
end;
$$;

-- Gives a shadow the indexes and the constraints upon them, by the same names.
create function callboard.copy_indexes(in_from oid, in_to oid) returns void
language plpgsql set search_path = '' as $$
declare
    index record;
    lead  text;
begin
    for index in
        select
            i.indexrelid as id, c.relname, pg_catalog.pg_get_indexdef(i.indexrelid) as made, i.indisunique,
            k.conname, k.contype, k.condeferrable, k.condeferred, pg_catalog.pg_get_constraintdef(k.oid) as declared,
            pg_catalog.obj_description(i.indexrelid, 'pg_class') as comment,
            pg_catalog.obj_description(k.oid, 'pg_constraint') as constraint_comment
        from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid and k.conrelid = in_from and k.contype in ('p', 'u', 'x')
        where i.indrelid = in_from
        order by i.indexrelid
    loop
        if index.contype = 'x' then
            execute pg_catalog.format('alter table %s add constraint %I %s', in_to::regclass, index.conname, index.declared);
        else
            lead := pg_catalog.format('CREATE %sINDEX %I ON %s ', case when index.indisunique then 'UNIQUE ' end, index.relname, in_from::regclass);
            if not pg_catalog.starts_with(index.made, lead) then
                raise exception 'the index % can''t be carried over to a rebuilt table: drop it, rebuild, and create it again', index.relname
                    using errcode = 'dependent_objects_still_exist';
            end if;
            execute pg_catalog.format('create %sindex %I on %s %s', case when index.indisunique then 'unique ' end, index.relname, in_to::regclass, pg_catalog.substr(index.made, length(lead) + 1));
        end if;
        if index.contype in ('p', 'u') then
            execute pg_catalog.format(
                'alter table %s add constraint %I %s using index %I%s%s',
                in_to::regclass, index.conname, case index.contype when 'p' then 'primary key' else 'unique' end, index.relname,
                case when index.condeferrable then ' deferrable' end, case when index.condeferred then ' initially deferred' end
            );
        end if;
        if index.comment is not null then
            execute pg_catalog.format(
                'comment on index %s is %L',
                (select pg_catalog.format('%I.%I', n.nspname, index.relname) from pg_catalog.pg_class t join pg_catalog.pg_namespace n on n.oid = t.relnamespace where t.oid = in_to),
                index.comment
            );
        end if;
        if index.constraint_comment is not null then
            execute pg_catalog.format('comment on constraint %I on %s is %L', index.conname, in_to::regclass, index.constraint_comment);
        end if;
    end loop;
end;
$$;

-- A schema for tables that stand beside others.
create function callboard.ensure_schema_beside(in_table oid, in_ending text) returns void
language plpgsql set search_path = '' as $$
declare
    place name := (
        select n.nspname || in_ending from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = in_table
    );
begin
    if not exists (select from pg_catalog.pg_namespace n where n.nspname = place) then
        begin
            execute pg_catalog.format('create schema %I', place);
        exception
            -- Another projection of the same schema begins in this moment.
            when duplicate_schema or unique_violation then null;
        end;
        execute pg_catalog.format('grant usage on schema %I to callboard_service', place);
    elsif not exists (
        select from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.oid = n.nspowner
        where n.nspname = place and r.rolname = current_user
    ) then
        raise exception 'the schema % must be owned by %: rebuilds keep their tables there', place, current_user
            using errcode = 'insufficient_privilege';
    end if;
end;
$$;

-- Makes an empty shadow of a read table and answers its name as SQL writes it. What an earlier
-- rebuild left behind is dropped.
create function callboard.create_shadow(in_table text) returns text
language plpgsql security definer set search_path = '' set client_min_messages = warning as $$
declare
    live    oid := callboard.rebuildable_table(in_table);
    shadow  text := callboard.beside(live, '__next');
    made    oid;
    options text;
    one     record;
begin
    perform callboard.ensure_schema_beside(live, '__next');
    perform callboard.ensure_schema_beside(live, '__before');
    execute pg_catalog.format('drop table if exists %s', shadow);
    execute pg_catalog.format('drop table if exists %s', callboard.beside(live, '__before'));

    select pg_catalog.string_agg(o.option, ', ') into options
    from (
        select pg_catalog.unnest(c.reloptions) as option from pg_catalog.pg_class c where c.oid = live
        union all
        select 'toast.' || pg_catalog.unnest(t.reloptions)
        from pg_catalog.pg_class c join pg_catalog.pg_class t on t.oid = c.reltoastrelid where c.oid = live
    ) o;
    execute pg_catalog.format(
        'create %stable %s (like %s including all excluding indexes excluding statistics)%s%s',
        (select case c.relpersistence when 'u' then 'unlogged ' end from pg_catalog.pg_class c where c.oid = live),
        shadow, live::regclass,
        ' with (' || options || ')',
        (
            select pg_catalog.format(' tablespace %I', s.spcname)
            from pg_catalog.pg_class c join pg_catalog.pg_tablespace s on s.oid = c.reltablespace where c.oid = live
        )
    );
    made := pg_catalog.to_regclass(shadow);

    for one in
        select a.attname, a.attstattarget, pg_catalog.array_to_string(a.attoptions, ', ') as options
        from pg_catalog.pg_attribute a
        where a.attrelid = live and a.attnum > 0 and not a.attisdropped
    loop
        if one.attstattarget >= 0 then
            execute pg_catalog.format('alter table %s alter column %I set statistics %s', shadow, one.attname, one.attstattarget);
        end if;
        if one.options is not null then
            execute pg_catalog.format('alter table %s alter column %I set (%s)', shadow, one.attname, one.options);
        end if;
    end loop;
    if pg_catalog.obj_description(live, 'pg_class') is not null then
        execute pg_catalog.format('comment on table %s is %L', shadow, pg_catalog.obj_description(live, 'pg_class'));
    end if;
    perform callboard.copy_indexes(live, made);
    perform callboard.copy_rights(live, made);
    return shadow;
end;
$$;

-- The shadow's name as SQL writes it.
create function callboard.shadow_of(in_table text) returns text
language sql stable security definer set search_path = '' as $$
    select callboard.beside(pg_catalog.to_regclass(in_table), '__next');
$$;

-- Before a shadow is read, the planner should know what is in it.
create function callboard.analyze_shadow(in_table text) returns void
language plpgsql security definer set search_path = '' as $$
begin
    execute pg_catalog.format('analyze %s', callboard.beside(callboard.rebuildable_table(in_table), '__next'));
end;
$$;

-- Puts the shadow in the read table's place; what was read stands in <schema>__before then.
-- Waits for locks as long as the caller's lock_timeout says.
create function callboard.swap_shadow(in_table text) returns void
language plpgsql security definer set search_path = '' as $$
declare
    live   oid := callboard.rebuildable_table(in_table);
    shadow text := callboard.beside(live, '__next');
    place  text := (
        select n.nspname from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = live
    );
begin
    if pg_catalog.to_regclass(shadow) is null then
        raise exception 'the table % is gone: begin the rebuild anew', shadow using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute pg_catalog.format('lock table %s, %s in access exclusive mode', live::regclass, shadow);
    -- Once more under the lock: nobody adds anything now.
    perform callboard.rebuildable_table(in_table);
    if callboard.columns_of(live) is distinct from callboard.columns_of(pg_catalog.to_regclass(shadow)) then
        raise exception 'the columns of % have changed meanwhile: begin the rebuild anew', in_table
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform callboard.copy_rights(live, pg_catalog.to_regclass(shadow));
    execute pg_catalog.format('alter table %s set schema %I', live::regclass, place || '__before');
    execute pg_catalog.format('alter table %s set schema %I', shadow, place);
end;
$$;

-- Puts back the table that was replaced; what was read stands in <schema>__before then.
create function callboard.undo_swap(in_table text) returns void
language plpgsql security definer set search_path = '' set client_min_messages = warning as $$
declare
    live   oid := callboard.rebuildable_table(in_table);
    before text := callboard.beside(live, '__before');
begin
    if pg_catalog.to_regclass(before) is null then
        raise exception 'the table % is gone: there is nothing to put back', before using errcode = 'object_not_in_prerequisite_state';
    end if;
    -- Of a rebuild that was overtaken: the caller has seen that none is under way.
    execute pg_catalog.format('drop table if exists %s', callboard.beside(live, '__next'));
    execute pg_catalog.format(
        'alter table %s set schema %I', before,
        (
            select n.nspname || '__next' from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = live
        )
    );
    perform callboard.swap_shadow(in_table);
end;
$$;

-- Drops the table that was replaced.
create function callboard.drop_replaced(in_table text) returns void
language plpgsql security definer set search_path = '' set client_min_messages = warning as $$
begin
    execute pg_catalog.format('drop table if exists %s', callboard.beside(callboard.rebuildable_table(in_table), '__before'));
end;
$$;

revoke all on function callboard.rebuildable_table, callboard.beside, callboard.columns_of, callboard.copy_rights,
    callboard.copy_indexes, callboard.ensure_schema_beside, callboard.create_shadow, callboard.shadow_of,
    callboard.analyze_shadow, callboard.swap_shadow, callboard.undo_swap, callboard.drop_replaced from public;
grant execute on function callboard.rebuildable_table, callboard.create_shadow, callboard.shadow_of,
    callboard.analyze_shadow, callboard.swap_shadow, callboard.undo_swap, callboard.drop_replaced to callboard_service;
grant select, insert, update, delete on callboard.rebuilds, callboard.replaced_tables to callboard_service;
