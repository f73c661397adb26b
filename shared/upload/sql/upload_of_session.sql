-- params: session id, upload id
-- returns: an upload of the session's tenant, in the order of the columns of upload_store.c; it counts as used now
WITH found AS (
    SELECT u.id, u.content_id, u.tenant_id, u.name, u.media_type, c.size, encode(c.sha256, 'hex') AS sha256,
           u.created_by, (extract(epoch FROM u.created_at) * 1000000)::bigint AS created
    FROM sessions s
    JOIN uploads u ON u.tenant_id = s.tenant_id
    CROSS JOIN LATERAL (SELECT size, sha256 FROM upload_contents
                        WHERE tenant_id = u.tenant_id AND id = u.content_id OFFSET 0) c
    WHERE s.id = $1::text AND u.id = $2::text),
used AS (
    UPDATE uploads u SET used_at = now()
    FROM found f
    WHERE u.tenant_id = f.tenant_id AND u.id = f.id AND u.used_at < now() - interval '10 seconds')
SELECT id, content_id, tenant_id, name, media_type, size, sha256, created_by, created FROM found
