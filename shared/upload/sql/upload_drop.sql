-- params: tenant id, content id
-- returns: nothing; a content that some upload has stays
DELETE FROM upload_contents c
WHERE c.tenant_id = $1::text AND c.id = $2::text
  AND NOT EXISTS (SELECT FROM uploads u WHERE u.tenant_id = c.tenant_id AND u.content_id = c.id)
