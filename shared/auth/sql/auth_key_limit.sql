-- params: tenant id, id, scopes (comma list)
-- returns: nothing; no row is affected when there is none that is not revoked
UPDATE api_keys SET scopes = string_to_array($3::text, ',')
WHERE tenant_id = $1::text AND id = $2::text AND revoked_at IS NULL
