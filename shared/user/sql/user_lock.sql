-- params: tenant id, id
-- returns: as user_list
SELECT u.id, u.kind, u.name, u.email, u.home_id, u.system, u.disabled_at IS NOT NULL, m.role,
       array_to_string(m.namespaces, ','), (extract(epoch FROM u.created_at) * 1000000)::bigint,
       (extract(epoch FROM m.created_at) * 1000000)::bigint
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.tenant_id = $1::text AND m.user_id = $2::text
FOR UPDATE OF m
