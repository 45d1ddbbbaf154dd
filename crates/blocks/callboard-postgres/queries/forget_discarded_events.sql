-- What was discarded while the table that is read now was still being built, or was set aside.
delete from callboard.parked_events p
using callboard.discarded_events d
where p.log = $1 and p.subscriber = $2 and p.build = 'live'
  and d.log = p.log and d.subscriber = p.subscriber and d.position = p.position
