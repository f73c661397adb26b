-- params: tenant id, key
-- returns: route, request hash, status, media type, response; no row when unknown or expired
SELECT route, request_hash, status, media_type, response
FROM idempotency_keys
WHERE tenant_id = $1::text AND key = $2::text AND expires_at > now()
