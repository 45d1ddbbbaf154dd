delete from {table} t
using json_populate_recordset(null::{table}, $1::json) as v
where {same_key}
