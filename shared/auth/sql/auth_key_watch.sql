-- params: ids (comma list)
-- returns: id, tenant id, hash, scopes, namespaces, name, owner, expires (us), whether it may be used
-- but for its expiry, whether it has expired, the owner's id, kind, whether it has system, role and
-- namespaces
SELECT k.id, k.tenant_id, k.hash, array_to_string(k.scopes, ','), array_to_string(k.namespaces, ','),
       k.name, k.owner, (extract(epoch FROM k.expires_at) * 1000000)::bigint,
       k.revoked_at IS NULL AND t.disabled_at IS NULL
           AND (k.owner_id IS NULL OR (m.user_id IS NOT NULL AND u.disabled_at IS NULL)),
       k.expires_at IS NOT NULL AND k.expires_at <= now(),
       k.owner_id, u.kind, u.system, m.role, array_to_string(m.namespaces, ',')
FROM api_keys k
JOIN tenants t ON t.id = k.tenant_id
LEFT JOIN users u ON u.id = k.owner_id
LEFT JOIN memberships m ON m.tenant_id = k.tenant_id AND m.user_id = k.owner_id
WHERE k.id = ANY (string_to_array($1::text, ','))
