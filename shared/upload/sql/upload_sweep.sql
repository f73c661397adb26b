-- params: seconds in which one comes in, rows
-- returns: nothing; contents that no upload has go with their bytes
DELETE FROM upload_contents c USING (
    SELECT tenant_id, id FROM upload_contents n
    WHERE n.created_at < now() - make_interval(secs => $1::bigint)
      AND NOT EXISTS (SELECT FROM uploads u WHERE u.tenant_id = n.tenant_id AND u.content_id = n.id)
    LIMIT $2::bigint) none
WHERE c.tenant_id = none.tenant_id AND c.id = none.id
