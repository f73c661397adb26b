-- params: id
-- returns: nothing; no row is affected unless the session has ended
DELETE FROM sessions
WHERE id = $1::text AND state IN ('stopped', 'completed', 'failed', 'cancelled')
