-- params: user id
-- returns: e-mail, what is stored (NULL: no password)
SELECT u.email, p.stored
FROM users u LEFT JOIN passwords p ON p.user_id = u.id
WHERE u.id = $1::text AND u.kind = 'person' AND u.disabled_at IS NULL
