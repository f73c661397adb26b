-- planned: each time, for its parameters
-- params: tenant id, project id (NULL: any), after this project id and name, rows
-- returns: secrets, in the order of the columns of secret_store.c, by project and name
SELECT project_id, name, created_by, (extract(epoch FROM created_at) * 1000000)::bigint,
       updated_by, (extract(epoch FROM updated_at) * 1000000)::bigint,
       (extract(epoch FROM used_at) * 1000000)::bigint
FROM secrets
WHERE tenant_id = $1::text
  AND ($2::text IS NULL OR project_id = $2::text)
  AND (project_id, name) > ($3::text, $4::text)
ORDER BY project_id, name LIMIT $5::bigint
