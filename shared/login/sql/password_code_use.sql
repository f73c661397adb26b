-- params: hash
-- returns: user id, e-mail; the code is gone
DELETE FROM password_codes c USING users u
WHERE c.hash = $1::bytea AND c.expires_at > now() AND u.id = c.user_id AND u.disabled_at IS NULL
RETURNING u.id, u.email
