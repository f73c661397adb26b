-- planned: each time, for its parameters
-- params: tenant id, after this id (NULL: from the first), the only id (NULL: any), rows
-- returns: id, name, created (us)
SELECT id, name, (extract(epoch FROM created_at) * 1000000)::bigint
FROM projects
WHERE tenant_id = $1::text AND ($2::text IS NULL OR id > $2::text) AND ($3::text IS NULL OR id = $3::text)
ORDER BY id
LIMIT $4::bigint
