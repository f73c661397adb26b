-- params: id, user id, tenant id (NULL: its home, else where it became a member first), hash, means, agent, address, idle, lives for (s)
-- returns: tenant id, expires (us); no row unless the person is a member that may log in
INSERT INTO logins (id, tenant_id, user_id, hash, role, system, means, agent, address, idle, idle_at,
                    expires_at)
SELECT $1::text, m.tenant_id, m.user_id, $4::bytea, m.role, u.system, $5::text, $6::text, $7::text,
       $8::bigint * interval '1 second', now() + $8::bigint * interval '1 second',
       now() + $9::bigint * interval '1 second'
FROM memberships m JOIN users u ON u.id = m.user_id JOIN tenants t ON t.id = m.tenant_id
WHERE m.user_id = $2::text AND ($3::text IS NULL OR m.tenant_id = $3::text)
  AND u.kind = 'person' AND u.disabled_at IS NULL AND t.disabled_at IS NULL
ORDER BY m.tenant_id = u.home_id DESC, m.created_at, m.tenant_id
LIMIT 1
RETURNING tenant_id, (extract(epoch FROM expires_at) * 1000000)::bigint
