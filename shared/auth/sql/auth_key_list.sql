-- params: tenant id, rows
-- returns: id, name, owner, scopes, namespaces, created, expires, revoked, last used (us); newest first
SELECT id, name, owner, array_to_string(scopes, ','), array_to_string(namespaces, ','),
       (extract(epoch FROM created_at) * 1000000)::bigint,
       (extract(epoch FROM expires_at) * 1000000)::bigint,
       (extract(epoch FROM revoked_at) * 1000000)::bigint,
       (extract(epoch FROM last_used_at) * 1000000)::bigint
FROM api_keys
WHERE tenant_id = $1::text
ORDER BY created_at DESC, id DESC
LIMIT $2::bigint
