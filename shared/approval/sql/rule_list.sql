-- planned: each time, for its parameters
-- params: tenant id, project id, owner, before this id (each NULL: any), rows
-- returns: rules, in the order of the columns of rule_store.c; the newest first
SELECT id, project_id, owner, allow, tool, command, path, host, created_by,
       (extract(epoch FROM created_at) * 1000000)::bigint
FROM approval_rules
WHERE tenant_id = $1::text
  AND ($2::text IS NULL OR project_id = $2::text)
  AND ($3::text IS NULL OR owner = $3::text)
  AND ($4::text IS NULL OR id < $4::text)
ORDER BY id DESC LIMIT $5::bigint
