select outcome, reason
from callboard.claim_event_handler($1, $2, $3, $4, make_interval(secs => $5), $6)
