update callboard.subscribers
set state = 'running', reason = null
where log = $1 and name = $2 and state = 'halted'
