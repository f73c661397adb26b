-- params: tenant, task
-- returns: nothing; a task that has sessions stays
DELETE FROM tasks t
WHERE t.id = $2::text AND (t.tenant_id = $1::text) IS TRUE
  AND NOT EXISTS (SELECT FROM sessions s WHERE s.task_id = t.id)
