-- params: id of a session or a task, namespaces (comma list, null: any), tenant id
-- returns: how many sessions it stands for, whether all of them have ended
SELECT count(*), coalesce(bool_and(state IN ('stopped', 'completed', 'failed', 'cancelled')), true)
FROM sessions
WHERE tenant_id = $3::text
  AND (id = $1::text OR task_id = $1::text)
  AND ($2::text IS NULL OR namespace = ANY (string_to_array($2::text, ',')))
