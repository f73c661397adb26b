-- params: how long a login is remembered after its end (s)
-- returns: nothing
DELETE FROM refresh_tokens
WHERE expires_at < now() - $1::bigint * interval '1 second'
