-- params: tenant id, user id, rows
-- returns: id, client, address, scopes, created, used, expires (us); those that are alive, newest first
SELECT id, client, address, array_to_string(scopes, ','),
       (extract(epoch FROM created_at) * 1000000)::bigint,
       (extract(epoch FROM used_at) * 1000000)::bigint,
       (extract(epoch FROM least(idle_at, expires_at)) * 1000000)::bigint
FROM refresh_tokens
WHERE tenant_id = $1::text AND user_id = $2::text AND revoked_at IS NULL AND idle_at > now()
  AND expires_at > now()
ORDER BY created_at DESC, id DESC
LIMIT $3::bigint
