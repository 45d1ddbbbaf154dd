select outcome, at_position, at_id
from callboard.advance_process_manager($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
