-- params: tenant id, id, by whom (NULL: anybody)
-- returns: an upload, in the order of the columns of upload_store.c; it counts as used now
UPDATE uploads u SET used_at = now()
FROM upload_contents c
WHERE c.tenant_id = u.tenant_id AND c.id = u.content_id
  AND u.tenant_id = $1::text AND u.id = $2::text AND ($3::text IS NULL OR u.created_by = $3::text)
RETURNING u.id, u.content_id, u.tenant_id, u.name, u.media_type, c.size, encode(c.sha256, 'hex'), u.created_by,
          (extract(epoch FROM u.created_at) * 1000000)::bigint
