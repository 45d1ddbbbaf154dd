update callboard.relays
set published = $2
where log = $1 and published > $2
