-- params: tenant id, project id, owner
-- returns: the rules for a session of theirs, in the order of the columns of rule_store.c; those that deny first
SELECT id, project_id, owner, allow, tool, command, path, host, created_by,
       (extract(epoch FROM created_at) * 1000000)::bigint
FROM approval_rules
WHERE tenant_id = $1::text AND project_id IN ('', $2::text) AND owner IN ('', $3::text)
ORDER BY allow, id
