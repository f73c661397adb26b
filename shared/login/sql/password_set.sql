-- params: user id, what is stored
-- returns: nothing
INSERT INTO passwords (user_id, stored) VALUES ($1::text, $2::text)
ON CONFLICT (user_id) DO UPDATE SET stored = EXCLUDED.stored, changed_at = now()
