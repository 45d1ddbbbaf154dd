-- A table's columns: name, type, whether it is an exact decimal, whether text in it orders otherwise than by bytes.
select
    a.attname::text,
    format_type(a.atttypid, a.atttypmod),
    coalesce(nullif(t.typbasetype, 0), a.atttypid) = 'numeric'::regtype,
    coalesce(c.collname <> 'C', false)
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_collation c on c.oid = a.attcollation
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
