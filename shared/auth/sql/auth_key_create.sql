-- params: id, tenant id, name, hash, scopes (comma list), namespaces (comma list), expires (us), owner
-- returns: nothing
INSERT INTO api_keys (id, tenant_id, name, hash, scopes, namespaces, expires_at, owner)
VALUES ($1::text, $2::text, $3::text, $4::bytea, string_to_array($5::text, ','),
        string_to_array($6::text, ','),
        'epoch'::timestamptz + $7::bigint * interval '1 microsecond', $8::text)
