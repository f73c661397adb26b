-- params: tenant id, id, seconds that it stays good for
-- returns: name, scopes, namespaces, owner, the owner's id, and how long it was made for (us; NULL: for
-- ever) of the key, if it is good and was not replaced before
WITH old AS (
    SELECT id, expires_at - created_at AS life
    FROM api_keys
    WHERE tenant_id = $1::text AND id = $2::text AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > now())
    FOR UPDATE
)
UPDATE api_keys k SET expires_at = LEAST(k.expires_at, now() + $3::bigint * interval '1 second')
FROM old
WHERE k.id = old.id
  AND NOT EXISTS (SELECT 1 FROM api_keys n WHERE (n.tenant_id = $1::text) IS TRUE AND n.replaces = k.id)
RETURNING k.name, array_to_string(k.scopes, ','), array_to_string(k.namespaces, ','), k.owner, k.owner_id,
          (extract(epoch FROM old.life) * 1000000)::bigint
