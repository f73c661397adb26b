-- params: tenant id, a user's id or e-mail, whether it may be an e-mail
-- returns: id, kind, name, role, namespaces; of a member that may log in
SELECT u.id, u.kind, u.name, m.role, array_to_string(m.namespaces, ',')
FROM memberships m JOIN users u ON u.id = m.user_id JOIN tenants t ON t.id = m.tenant_id
WHERE m.tenant_id = $1::text AND (u.id = $2::text OR ($3::boolean AND u.email = lower($2::text)))
  AND u.disabled_at IS NULL AND t.disabled_at IS NULL
