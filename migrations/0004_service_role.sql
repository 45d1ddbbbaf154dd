-- The role that services run as. It may call the log's functions and read the log, but never
-- change what is recorded.

do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'callboard_service') then
        begin
            create role callboard_service nologin;
        exception
            -- Roles belong to the whole cluster: another database may have made it in this moment.
            when duplicate_object or unique_violation then null;
        end;
    end if;
    -- So that the one who migrates can also serve. Whoever may not grant the role asks somebody who may.
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        begin
            execute format('grant callboard_service to %I', current_user);
        exception
            when insufficient_privilege then
                raise notice 'services that log in as % need: grant callboard_service to %', current_user, current_user;
        end;
    end if;
end;
$$;

revoke all on all functions in schema callboard from public;

grant usage on schema callboard to callboard_service;
grant execute on function callboard.ensure_log, callboard.lock_log, callboard.append,
    callboard.delete_expired_keys, callboard.advance_process_manager to callboard_service;
grant select on callboard.logs, callboard.events, callboard.idempotency_keys, callboard.migrations
    to callboard_service;
grant select, insert, update, delete on callboard.subscribers, callboard.checkpoints,
    callboard.pending_commands, callboard.relays to callboard_service;
