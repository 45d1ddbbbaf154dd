select exists (
    select from callboard.rebuilds
    where log = $1 and subscriber = $2 and version = $3 and state = 'running'
)
