-- params: id, only runs before (us), rows, tenant id
-- returns: the sessions of its runs that have not ended and their tasks, the newest run first
SELECT n.id, n.task_id
FROM schedule_runs r JOIN sessions n ON n.task_id = r.task_id
WHERE r.schedule_id = $1::text AND r.tenant_id = $4::text
  AND ($2::bigint IS NULL
       OR r.at < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond')
  AND n.state NOT IN ('stopped', 'completed', 'failed', 'cancelled')
ORDER BY r.at DESC, n.id
LIMIT $3::bigint
