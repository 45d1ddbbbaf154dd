select position, id
from callboard.events
where log = $1
order by position desc
limit 1
