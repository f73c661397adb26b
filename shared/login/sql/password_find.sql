-- params: e-mail
-- returns: user id, what is stored (NULL: no password), whether the person is disabled
SELECT u.id, p.stored, u.disabled_at IS NOT NULL
FROM users u LEFT JOIN passwords p ON p.user_id = u.id
WHERE u.email = $1::text AND u.kind = 'person'
