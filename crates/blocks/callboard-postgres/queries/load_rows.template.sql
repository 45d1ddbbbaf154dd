-- The rows of the keys in $1, each with the index of its key from 1.
select k.ord, (select row_to_json(r) from (select {columns}) r)::text
from json_array_elements($1::json) with ordinality as k (value, ord)
cross join lateral json_populate_record(null::{table}, k.value) as v
join {table} t on {same_key}
