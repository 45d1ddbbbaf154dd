-- Sent behind a BEGIN, in one message with it, so that it can't have parameters; a log's name needs no quoting.
select head, head_id from callboard.lock_log('{log}')
