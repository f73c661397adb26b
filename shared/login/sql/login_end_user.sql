-- params: user id, but this id (NULL: none), reason
-- returns: nothing; ends the logins of a person in all tenants
UPDATE logins SET revoked_at = now(), revoked_reason = $3::text
WHERE user_id = $1::text AND ($2::text IS NULL OR id <> $2::text) AND revoked_at IS NULL
