-- Moves the checkpoint and writes the rows in $5.
with moved as (
    update callboard.checkpoints
    set position = $3, event_id = $4, updated_at = clock_timestamp()
    where log = $1 and subscriber = $2
)
insert into {table} as t ({names})
select {values}
from json_populate_recordset(null::{table}, $5::json) as v
on conflict ({key}) do {update}
