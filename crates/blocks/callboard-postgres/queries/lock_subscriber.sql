select 1 from callboard.subscribers where log = $1 and name = $2 for update
