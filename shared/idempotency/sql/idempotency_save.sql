-- params: tenant id, principal, key, route, request hash, status, media type, response, headers, sealed, seconds
-- returns: nothing; replaces an expired row of the same key
INSERT INTO idempotency_keys
    (tenant_id, principal, key, route, request_hash, status, media_type, response, headers, sealed, expires_at)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea, $6::integer, $7::text, $8::bytea, $9::text, $10::boolean,
        now() + $11::integer * interval '1 second')
ON CONFLICT (tenant_id, principal, key) DO UPDATE SET
    route = excluded.route,
    request_hash = excluded.request_hash,
    status = excluded.status,
    media_type = excluded.media_type,
    response = excluded.response,
    headers = excluded.headers,
    sealed = excluded.sealed,
    created_at = now(),
    expires_at = excluded.expires_at
WHERE idempotency_keys.expires_at <= now()
