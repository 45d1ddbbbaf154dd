begin;
select head, head_id from callboard.lock_log('{log}')
