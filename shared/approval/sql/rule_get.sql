-- params: tenant id, id
-- returns: a rule, in the order of the columns of rule_store.c
SELECT id, project_id, owner, allow, tool, command, path, host, created_by,
       (extract(epoch FROM created_at) * 1000000)::bigint
FROM approval_rules WHERE (tenant_id = $1::text) IS TRUE AND id = $2::text
