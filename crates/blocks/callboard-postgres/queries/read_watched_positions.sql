select w.ord, c.position, c.parked
from unnest($1::text[], $2::text[]) with ordinality as w (log, subscriber, ord)
join callboard.checkpoints c on c.log = w.log and c.subscriber = w.subscriber
