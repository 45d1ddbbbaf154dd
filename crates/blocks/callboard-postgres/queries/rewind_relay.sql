update callboard.relays
set published = $2, generation = generation + 1
where log = $1 and published > $2
