-- planned: each time, for its parameters
-- params: tenant id, user id, the only id (NULL: any), rows
-- returns: id, means, agent, address, created, used, ends (us); those that are alive, newest first
SELECT id, means, agent, address, (extract(epoch FROM created_at) * 1000000)::bigint,
       (extract(epoch FROM used_at) * 1000000)::bigint,
       (extract(epoch FROM least(idle_at, expires_at)) * 1000000)::bigint
FROM logins
WHERE tenant_id = $1::text AND ($2::text IS NULL OR user_id = $2::text)
  AND ($3::text IS NULL OR id = $3::text) AND revoked_at IS NULL
  AND idle_at > now() AND expires_at > now()
ORDER BY created_at DESC, id DESC
LIMIT $4::bigint
