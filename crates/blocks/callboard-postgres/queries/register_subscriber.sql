insert into callboard.subscribers (log, name, kind)
values ($1, $2, $3)
on conflict on constraint subscribers_pkey do nothing
