update callboard.subscribers
set state = 'running', reason = null, halted_at_unknown = null
where log = $1 and name = $2 and state = 'halted' and halted_at_unknown = $3
