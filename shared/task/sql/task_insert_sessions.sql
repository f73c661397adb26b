-- params: task id, [[session id, index of its agent], ...], priority, attempts allowed
-- returns: nothing; as many rows are affected as there are sessions
INSERT INTO sessions (id, tenant_id, task_id, project_id, namespace, agent, priority, labels,
                      max_attempts)
SELECT e ->> 0, t.tenant_id, t.id, t.project_id, t.namespace,
       (t.agents -> (e ->> 1)::integer) || '{"count": 1}', $3::integer, t.labels, $4::integer
FROM tasks t, jsonb_array_elements($2::text::jsonb) e
WHERE t.id = $1::text
