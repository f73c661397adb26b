-- params: id, tenant id
-- returns: nothing; no row is affected unless the session has ended
DELETE FROM sessions
WHERE id = $1::text AND (tenant_id = $2::text) IS TRUE AND state IN ('stopped', 'completed', 'failed', 'cancelled')
