-- params: id, tenant id
-- returns: nothing; no row is affected unless the session has ended and was not marked before
UPDATE sessions SET archived_at = now()
WHERE id = $1::text AND (tenant_id = $2::text) IS TRUE AND archived_at IS NULL
  AND state IN ('stopped', 'completed', 'failed', 'cancelled')
