delete from callboard.rebuilds
where log = $1 and subscriber = $2
