select s.halted_at_unknown
from callboard.subscribers s
where s.log = $1 and s.name = $2 and s.state = 'halted' and s.halted_at_unknown is not null
