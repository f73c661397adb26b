-- params: tenant id, principal, key
-- returns: route, request hash, status, media type, response, headers, sealed; no row when unknown or expired
SELECT route, request_hash, status, media_type, response, headers, sealed
FROM idempotency_keys
WHERE tenant_id = $1::text AND principal = $2::text AND key = $3::text AND expires_at > now()
