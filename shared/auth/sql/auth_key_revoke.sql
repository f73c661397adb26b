-- params: tenant id, id
-- returns: nothing; no row is affected when there is none that is not revoked
UPDATE api_keys SET revoked_at = now()
WHERE tenant_id = $1::text AND id = $2::text AND revoked_at IS NULL
