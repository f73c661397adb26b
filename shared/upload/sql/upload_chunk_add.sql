-- params: tenant id, content id, n, bytes
-- returns: nothing
INSERT INTO upload_chunks (tenant_id, content_id, n, bytes) VALUES ($1::text, $2::text, $3::integer, $4::bytea)
