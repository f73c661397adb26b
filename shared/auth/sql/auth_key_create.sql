-- params: id, tenant id, name, hash, scopes, namespaces, expires (us), owner, owner's id, env, replaces, by
-- returns: nothing; no row is affected when the owner is no member of the tenant
INSERT INTO api_keys (id, tenant_id, name, hash, scopes, namespaces, expires_at, owner, owner_id, env,
                      replaces, created_by)
SELECT $1::text, $2::text, $3::text, $4::bytea, string_to_array($5::text, ','),
       string_to_array($6::text, ','),
       'epoch'::timestamptz + $7::bigint * interval '1 microsecond', $8::text, $9::text, $10::text,
       $11::text, $12::text
WHERE $9::text IS NULL
   OR EXISTS (SELECT 1 FROM memberships m WHERE m.tenant_id = $2::text AND m.user_id = $9::text)
