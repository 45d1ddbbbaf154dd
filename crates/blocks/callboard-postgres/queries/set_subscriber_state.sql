update callboard.subscribers
set state = $3, reason = $4
where log = $1 and name = $2
