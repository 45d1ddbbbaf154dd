update callboard.relays
set holder = null, leased_until = '-infinity'
where log = $1 and holder = $2
