-- params: user id, but this id (NULL: none), reason
-- returns: nothing; ends the logins of a user in all tenants
UPDATE refresh_tokens SET revoked_at = now(), revoked_reason = $3::text
WHERE user_id = $1::text AND ($2::text IS NULL OR id <> $2::text) AND revoked_at IS NULL
