-- Writes the rows in $1, without a checkpoint.
insert into {table} as t ({names})
select {values}
from json_populate_recordset(null::{table}, $1::json) as v
on conflict ({key}) do {update}
