-- planned: each time, for its parameters
-- params: tenant id, kind (NULL: any), before this id (NULL: from the newest), the only id (NULL: any), rows
-- returns: id, kind, name, email, home, system, disabled, role, namespaces, created, joined (us); newest first
SELECT u.id, u.kind, u.name, u.email, u.home_id, u.system, u.disabled_at IS NOT NULL, m.role,
       array_to_string(m.namespaces, ','), (extract(epoch FROM u.created_at) * 1000000)::bigint,
       (extract(epoch FROM m.created_at) * 1000000)::bigint
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.tenant_id = $1::text
  AND ($2::text IS NULL OR u.kind = $2::text)
  AND ($3::text IS NULL OR m.user_id < $3::text)
  AND ($4::text IS NULL OR m.user_id = $4::text)
ORDER BY m.user_id DESC
LIMIT $5::bigint
