-- planned: each time, for its parameters
-- params: tenant id, before this id (NULL: from the newest), the only id (NULL: any), rows
-- returns: id, name, owner, scopes, namespaces, created, expires, revoked, last used (us), the owner's
-- id, env, id of the key that it replaces, created by, is its owner (if any) one that is let in; newest first
SELECT id, name, owner, array_to_string(scopes, ','), array_to_string(namespaces, ','),
       (extract(epoch FROM created_at) * 1000000)::bigint,
       (extract(epoch FROM expires_at) * 1000000)::bigint,
       (extract(epoch FROM revoked_at) * 1000000)::bigint,
       (extract(epoch FROM last_used_at) * 1000000)::bigint,
       owner_id, env, replaces, created_by,
       owner_id IS NULL OR EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
                                   WHERE m.tenant_id = $1::text AND m.user_id = owner_id AND u.disabled_at IS NULL)
FROM api_keys
WHERE tenant_id = $1::text AND ($2::text IS NULL OR id < $2::text) AND ($3::text IS NULL OR id = $3::text)
ORDER BY id DESC
LIMIT $4::bigint
