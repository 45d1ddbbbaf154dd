select published, generation
from callboard.relays
where log = $1
