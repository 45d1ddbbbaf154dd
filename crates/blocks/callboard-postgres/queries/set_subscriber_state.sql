update callboard.subscribers
set state = $3, reason = $4, halted_at_unknown = null
where log = $1 and name = $2
