-- planned: each time, for its parameters
-- params: tenant id, before this id (NULL: from the newest), by whom (NULL: anybody), rows
-- returns: uploads, newest first, in the order of the columns of upload_store.c
SELECT u.id, u.content_id, u.tenant_id, u.name, u.media_type, c.size, encode(c.sha256, 'hex'), u.created_by,
       (extract(epoch FROM u.created_at) * 1000000)::bigint
FROM uploads u
CROSS JOIN LATERAL (SELECT size, sha256 FROM upload_contents
                    WHERE tenant_id = u.tenant_id AND id = u.content_id OFFSET 0) c
WHERE u.tenant_id = $1::text AND ($2::text IS NULL OR u.id < $2::text)
  AND ($3::text IS NULL OR u.created_by = $3::text)
ORDER BY u.id DESC LIMIT $4::bigint
