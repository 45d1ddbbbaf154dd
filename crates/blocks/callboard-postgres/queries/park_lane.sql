select callboard.park_lane($1, $2, $3, $4, $5, $6, $7, $8, $9)
