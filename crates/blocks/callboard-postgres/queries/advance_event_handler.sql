select outcome, at_position, at_id
from callboard.advance_event_handler($1, $2, $3, $4, $5, $6, $7)
