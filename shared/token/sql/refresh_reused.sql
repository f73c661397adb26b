-- params: id, turn
-- returns: id; ends a login whose token came back after it was replaced, no row when it did not
UPDATE refresh_tokens SET revoked_at = now(), revoked_reason = 'reused'
WHERE id = $1::text AND turn > $2::bigint AND revoked_at IS NULL
RETURNING id
