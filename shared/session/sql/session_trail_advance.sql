-- params: id, epoch, n, tenant id
-- returns: nothing; no row is affected when it reflects that event or a later one already
UPDATE sessions SET epoch = $2::bigint, n = $3::bigint
WHERE id = $1::text AND (tenant_id = $4::text) IS TRUE AND (epoch, n) < ($2::bigint, $3::bigint)
