select (select row_to_json(r) from (select {columns}) r)::text
from {table} t
where {same_key}
