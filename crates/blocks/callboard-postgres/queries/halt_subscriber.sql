update callboard.subscribers
set state = 'halted', reason = $3, halted_at_unknown = $4
where log = $1 and name = $2
