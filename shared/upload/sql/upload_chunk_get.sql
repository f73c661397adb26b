-- params: tenant id, content id, n
-- returns: bytes
SELECT bytes FROM upload_chunks WHERE tenant_id = $1::text AND content_id = $2::text AND n = $3::integer
