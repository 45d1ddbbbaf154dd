select c.version, c.position, c.event_id, s.state, s.reason
from callboard.subscribers s
left join callboard.checkpoints c on c.log = s.log and c.subscriber = s.name
where s.log = $1 and s.name = $2
