-- params: issuer, subject, user id, provider
-- returns: nothing; the user stays who it was
INSERT INTO identities (issuer, subject, user_id, provider)
VALUES ($1::text, $2::text, $3::text, $4::text)
ON CONFLICT (issuer, subject) DO UPDATE SET used_at = now(), provider = excluded.provider
WHERE identities.user_id = excluded.user_id
