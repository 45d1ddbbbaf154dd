delete from callboard.replaced_tables
where log = $1 and subscriber = $2
