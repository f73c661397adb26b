-- params: id, tenant id
-- returns: id, tenant id, state, epoch, n, attempts of the session unless it is archived to its end
SELECT id, tenant_id, state, epoch, n, attempts
FROM sessions
WHERE id = $1::text AND tenant_id = $2::text AND archived_at IS NULL
