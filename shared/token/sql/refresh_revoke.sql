-- planned: each time, for its parameters
-- params: tenant id, user id (NULL: any), id (NULL: any), reason
-- returns: ids of those that were alive
UPDATE refresh_tokens SET revoked_at = now(), revoked_reason = $4::text
WHERE tenant_id = $1::text AND ($2::text IS NULL OR user_id = $2::text)
  AND ($3::text IS NULL OR id = $3::text) AND revoked_at IS NULL
RETURNING id
