-- On the database's clock, so that a clock that is wrong on some host changes nothing.
insert into callboard.relays (log, holder, leased_until)
values ($1, $2, clock_timestamp() + interval '2 seconds')
on conflict on constraint relays_pkey do update
set holder = excluded.holder, leased_until = excluded.leased_until
where relays.holder is null or relays.holder = excluded.holder or relays.leased_until < clock_timestamp()
