update callboard.relays
set published = $4
where log = $1 and published = $2 and generation = $3
