-- params: tenant id, content id, sha256, bytes
-- returns: nothing; no row is affected when it is gone
UPDATE upload_contents SET sha256 = $3::bytea, size = $4::bigint
WHERE tenant_id = $1::text AND id = $2::text AND sha256 IS NULL
