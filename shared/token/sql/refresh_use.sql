-- params: id, turn, hash, the next hash, idle for (s)
-- returns: as refresh_create; no row unless it is the one that counts, of a member that may log in
UPDATE refresh_tokens r
SET turn = r.turn + 1, hash = $4::bytea, used_at = now(),
    idle_at = now() + $5::bigint * interval '1 second'
FROM memberships m, users u, tenants t
WHERE r.id = $1::text AND r.turn = $2::bigint AND r.hash = $3::bytea AND r.revoked_at IS NULL
  AND r.idle_at > now() AND r.expires_at > now()
  AND m.tenant_id = r.tenant_id AND m.user_id = r.user_id
  AND (r.key_id IS NULL OR EXISTS (
      SELECT 1 FROM api_keys k
      WHERE k.tenant_id = r.tenant_id AND k.id = r.key_id AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now())))
  AND u.id = r.user_id AND u.disabled_at IS NULL AND t.id = r.tenant_id AND t.disabled_at IS NULL
RETURNING r.id, r.tenant_id, r.user_id, array_to_string(r.scopes, ','),
          (extract(epoch FROM r.expires_at) * 1000000)::bigint
