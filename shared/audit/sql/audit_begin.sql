-- params: chain, hash of nothing, mac
-- returns: nothing; no row is affected when it has begun
INSERT INTO audit_heads (tenant_id, n, hash, mac)
VALUES ($1::text, 0, $2::bytea, $3::bytea)
ON CONFLICT DO NOTHING
