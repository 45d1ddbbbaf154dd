update callboard.relays
set published = $3
where log = $1 and published = $2
