-- params: id, tenant id, user id, scopes, client, address, hash, idle, lives for (s), key id, namespaces
-- returns: id, tenant id, user id, scopes, expires (us); no row unless the user is a member that may log in
INSERT INTO refresh_tokens (id, tenant_id, user_id, scopes, client, address, hash, idle_at, expires_at,
                            key_id, namespaces)
SELECT $1::text, m.tenant_id, m.user_id, string_to_array($4::text, ','), $5::text, $6::text, $7::bytea,
       now() + $8::bigint * interval '1 second', now() + $9::bigint * interval '1 second',
       $10::text, string_to_array($11::text, ',')
FROM memberships m JOIN users u ON u.id = m.user_id JOIN tenants t ON t.id = m.tenant_id
WHERE m.tenant_id = $2::text AND m.user_id = $3::text AND u.disabled_at IS NULL AND t.disabled_at IS NULL
RETURNING id, tenant_id, user_id, array_to_string(scopes, ','),
          (extract(epoch FROM expires_at) * 1000000)::bigint
