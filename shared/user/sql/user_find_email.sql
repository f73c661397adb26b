-- params: email
-- returns: id, home
SELECT id, home_id FROM users WHERE email = $1::text
