-- params: ids (comma list; of keys and of logins)
-- returns: id, tenant id, hash, scopes, namespaces, name, owner, expires (us), whether it may be used
-- but for its expiry, whether it has expired, the owner's id, kind, whether it has system, role and
-- namespaces, whether it is a login, whether its use is to be noted
SELECT k.id, k.tenant_id, k.hash, array_to_string(k.scopes, ','), array_to_string(k.namespaces, ','),
       k.name, k.owner, (extract(epoch FROM k.expires_at) * 1000000)::bigint,
       k.revoked_at IS NULL AND t.disabled_at IS NULL
           AND (k.owner_id IS NULL OR (m.user_id IS NOT NULL AND u.disabled_at IS NULL)),
       k.expires_at IS NOT NULL AND k.expires_at <= now(),
       k.owner_id, u.kind, u.system, m.role, array_to_string(m.namespaces, ','), false,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'
FROM api_keys k
JOIN tenants t ON t.id = k.tenant_id
LEFT JOIN users u ON u.id = k.owner_id
LEFT JOIN memberships m ON m.tenant_id = k.tenant_id AND m.user_id = k.owner_id
WHERE k.id = ANY (string_to_array($1::text, ','))
UNION ALL
SELECT r.id, r.tenant_id, r.hash, coalesce(array_to_string(r.scopes, ','), 'admin,system'),
       array_to_string(r.namespaces, ','), u.name, NULL,
       (extract(epoch FROM r.expires_at) * 1000000)::bigint,
       r.revoked_at IS NULL AND t.disabled_at IS NULL AND m.user_id IS NOT NULL
           AND u.disabled_at IS NULL AND (r.key_id IS NULL OR EXISTS (
               SELECT 1 FROM api_keys k
               WHERE k.tenant_id = r.tenant_id AND k.id = r.key_id AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > now()))),
       r.expires_at <= now(),
       r.user_id, u.kind, u.system, m.role, array_to_string(m.namespaces, ','), true, false
FROM refresh_tokens r
JOIN tenants t ON t.id = r.tenant_id
JOIN users u ON u.id = r.user_id
LEFT JOIN memberships m ON m.tenant_id = r.tenant_id AND m.user_id = r.user_id
WHERE r.id = ANY (string_to_array($1::text, ','))
UNION ALL
SELECT l.id, l.tenant_id, l.hash, 'admin,system', NULL, u.name, NULL,
       (extract(epoch FROM least(l.idle_at, l.expires_at)) * 1000000)::bigint,
       l.revoked_at IS NULL AND t.disabled_at IS NULL AND m.user_id IS NOT NULL
           AND u.disabled_at IS NULL,
       least(l.idle_at, l.expires_at) <= now(),
       l.user_id, u.kind, u.system AND l.system,
       CASE WHEN m.role = 'viewer' OR l.role = 'viewer' THEN 'viewer'
            WHEN m.role = 'operator' OR l.role = 'operator' THEN 'operator'
            ELSE m.role END,
       array_to_string(m.namespaces, ','), true,
       l.used_at < now() - interval '1 minute'
FROM logins l
JOIN tenants t ON t.id = l.tenant_id
JOIN users u ON u.id = l.user_id
LEFT JOIN memberships m ON m.tenant_id = l.tenant_id AND m.user_id = l.user_id
WHERE l.id = ANY (string_to_array($1::text, ','))
