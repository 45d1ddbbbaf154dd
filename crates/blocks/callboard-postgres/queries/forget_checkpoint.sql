delete from callboard.checkpoints c
using callboard.subscribers s
where c.log = $1 and c.subscriber = $2 and s.log = c.log and s.name = c.subscriber and s.kind = 'projection'
