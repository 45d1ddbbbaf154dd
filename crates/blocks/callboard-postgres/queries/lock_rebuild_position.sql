-- How far a rebuild is, whatever its state; it stands still until the end of the transaction.
select position
from callboard.rebuilds
where log = $1 and subscriber = $2
for update
