delete from callboard.handler_claims
where log = $1 and event_handler = $2 and role = $3 and holder = $4
