-- params: tenant id, id, content id, name, media type, by whom
-- returns: created (us)
INSERT INTO uploads (tenant_id, id, content_id, name, media_type, created_by)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text)
RETURNING (extract(epoch FROM created_at) * 1000000)::bigint
