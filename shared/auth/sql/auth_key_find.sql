-- params: id
-- returns: tenant id, hash, scopes, namespaces, whether it may be used, whether its use is to be noted
SELECT k.tenant_id, k.hash, array_to_string(k.scopes, ','), array_to_string(k.namespaces, ','),
       k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
           AND t.disabled_at IS NULL,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'
FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
WHERE k.id = $1::text
