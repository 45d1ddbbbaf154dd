select outcome, head, head_id, recorded_at, known_indexes, known_fingerprints, known_receipts
from callboard.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
