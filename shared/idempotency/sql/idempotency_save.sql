-- params: tenant id, key, route, request hash, status, media type, response, seconds to keep
-- returns: nothing; replaces an expired row of the same key
INSERT INTO idempotency_keys
    (tenant_id, key, route, request_hash, status, media_type, response, expires_at)
VALUES ($1::text, $2::text, $3::text, $4::bytea, $5::integer, $6::text, $7::bytea,
        now() + $8::integer * interval '1 second')
ON CONFLICT (tenant_id, key) DO UPDATE SET
    route = excluded.route,
    request_hash = excluded.request_hash,
    status = excluded.status,
    media_type = excluded.media_type,
    response = excluded.response,
    created_at = now(),
    expires_at = excluded.expires_at
WHERE idempotency_keys.expires_at <= now()
