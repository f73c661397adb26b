-- params: tenant id, user id, hash, by, lives for (s), whether whoever has more than this tenant may be named too
-- returns: when it ends (us); no row unless the person is at home there and may be named
INSERT INTO password_codes (user_id, hash, created_by, expires_at)
SELECT u.id, $3::bytea, $4::text, now() + $5::bigint * interval '1 second'
FROM users u JOIN memberships m ON m.user_id = u.id AND m.tenant_id = $1::text
WHERE u.id = $2::text AND u.kind = 'person' AND u.disabled_at IS NULL
  AND ($6::boolean OR (u.home_id = $1::text AND NOT u.system AND NOT EXISTS (
      SELECT 1 FROM memberships o WHERE o.user_id = u.id AND o.tenant_id <> $1::text)))
ON CONFLICT (user_id) DO UPDATE SET hash = EXCLUDED.hash, created_by = EXCLUDED.created_by,
                                    expires_at = EXCLUDED.expires_at
RETURNING (extract(epoch FROM expires_at) * 1000000)::bigint
