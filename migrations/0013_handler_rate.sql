-- How many events an operator lets an event handler begin in a second. Without one the handler's own limit is in force.
-- Whoever runs the handler looks once a second.

alter table callboard.subscribers
    add column events_per_second integer,
    add constraint subscribers_events_per_second_check check (
        events_per_second is null or (kind = 'event_handler' and events_per_second between 1 and 1000000)
    );
