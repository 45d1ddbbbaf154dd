select head, head_id from callboard.lock_log($1)
