-- Where a subscriber has halted because the code of then didn't know the event: code that does resumes it by itself.

alter table callboard.subscribers
    add column halted_at_unknown bigint;
