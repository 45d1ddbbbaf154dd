-- As read_events.sql, once it is one's turn among the writers of the log.
select position, stream, version, id, type, schema_version, data, metadata, recorded_at
from callboard.take_turn($1, $2, $3)
