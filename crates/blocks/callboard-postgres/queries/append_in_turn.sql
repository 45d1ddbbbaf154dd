-- As append.sql, and then passes the turn on: when this transaction has ended, for until then nobody can see what it
-- has recorded. The row is there before its columns are asked for.
select
    outcome, head, head_id, recorded_at, known_indexes, known_fingerprints, known_receipts,
    pg_advisory_xact_lock(hashtextextended('callboard turn ' || $1, 0)),
    pg_advisory_unlock(hashtextextended('callboard turn ' || $1, 0))
from callboard.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
