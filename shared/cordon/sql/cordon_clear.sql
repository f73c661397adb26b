-- params: name
-- returns: nothing; there may be none
DELETE FROM worker_cordons WHERE name = $1::text
