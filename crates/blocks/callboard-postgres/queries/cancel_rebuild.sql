-- Waits for whoever does a chunk in this moment.
delete from callboard.rebuilds
where log = $1 and subscriber = $2
returning version
