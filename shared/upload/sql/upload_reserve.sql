-- params: tenant id, content id, bytes to come at most, bytes that the tenant may have, uploads that it may have
-- returns: nothing; no row is affected when there is no room
INSERT INTO upload_contents (tenant_id, id, size)
SELECT $1::text, $2::text, $3::bigint
WHERE (SELECT coalesce(sum(size), 0) FROM upload_contents WHERE tenant_id = $1::text) + $3::bigint <= $4::bigint
  AND (SELECT count(*) FROM uploads WHERE tenant_id = $1::text) < $5::bigint
