-- params: hash, lives for (s), attempts, whether it takes the place of one that is still good
-- returns: a row when it counts now; none when another one does, or when nobody needs one
INSERT INTO setup (hash, expires_at)
SELECT $1::bytea, now() + $2::bigint * interval '1 second'
WHERE NOT EXISTS (SELECT 1 FROM users WHERE system)
ON CONFLICT (one) DO UPDATE SET hash = EXCLUDED.hash, expires_at = EXCLUDED.expires_at, attempts = 0
WHERE setup.done_at IS NULL
  AND ($4::boolean OR setup.expires_at <= now() OR setup.attempts >= $3::bigint)
RETURNING one
