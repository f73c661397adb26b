-- params: id, turn, hash
-- returns: id; ends a login by its own token, no row when that does not count
UPDATE refresh_tokens SET revoked_at = now(), revoked_reason = 'returned'
WHERE id = $1::text AND turn = $2::bigint AND hash = $3::bytea AND revoked_at IS NULL
RETURNING id
