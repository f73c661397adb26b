-- params: how many at most
-- returns: nothing; the count of affected rows says how many were expired and are gone
DELETE FROM idempotency_keys
WHERE (tenant_id, principal, key) IN (
    SELECT tenant_id, principal, key FROM idempotency_keys
    WHERE expires_at <= now()
    ORDER BY expires_at
    LIMIT $1::integer
    FOR UPDATE SKIP LOCKED)
