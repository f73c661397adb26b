-- params: id of a session or a task, namespaces (comma list, null: any), tenant id
-- returns: how many sessions it stands for, whether all of them have ended
SELECT count(*), coalesce(bool_and(state IN ('stopped', 'completed', 'failed', 'cancelled')), true)
FROM (SELECT state, tenant_id, namespace FROM sessions WHERE id = $1::text
      UNION ALL
      SELECT state, tenant_id, namespace FROM sessions WHERE task_id = $1::text) s
WHERE (tenant_id = $3::text) IS TRUE
  AND ($2::text IS NULL OR namespace = ANY (string_to_array($2::text, ',')))
