-- params: how long a login is remembered after its end (s), rows
-- returns: nothing
DELETE FROM logins
WHERE id IN (SELECT id FROM logins
             WHERE expires_at < now() - $1::bigint * interval '1 second'
             ORDER BY expires_at LIMIT $2::bigint)
