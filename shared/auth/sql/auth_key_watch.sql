-- params: ids (comma list)
-- returns: id, tenant id, hash, scopes, namespaces, name, owner, expires (us), whether it may be used
-- but for its expiry, whether it has expired
SELECT k.id, k.tenant_id, k.hash, array_to_string(k.scopes, ','), array_to_string(k.namespaces, ','),
       k.name, k.owner, (extract(epoch FROM k.expires_at) * 1000000)::bigint,
       k.revoked_at IS NULL AND t.disabled_at IS NULL,
       k.expires_at IS NOT NULL AND k.expires_at <= now()
FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
WHERE k.id = ANY (string_to_array($1::text, ','))
