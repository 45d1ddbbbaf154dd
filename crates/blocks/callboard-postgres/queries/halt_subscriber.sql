update callboard.subscribers
set state = 'halted', reason = $3
where log = $1 and name = $2
