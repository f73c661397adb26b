-- params: user id, what is stored, what takes its place
-- returns: nothing; the password stays the same
UPDATE passwords SET stored = $3::text WHERE user_id = $1::text AND stored = $2::text
