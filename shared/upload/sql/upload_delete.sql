-- params: tenant id, id, by whom (NULL: anybody)
-- returns: content id; no row when there is none
DELETE FROM uploads WHERE tenant_id = $1::text AND id = $2::text AND ($3::text IS NULL OR created_by = $3::text)
RETURNING content_id
