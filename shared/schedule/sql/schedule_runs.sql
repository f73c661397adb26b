-- params: id, rows, tenant id
-- returns: time (us), outcome, task id, reason, by hand; newest first
SELECT (extract(epoch FROM at) * 1000000)::bigint, outcome, task_id, reason, by_hand
FROM schedule_runs
WHERE schedule_id = $1::text AND tenant_id = $3::text
ORDER BY at DESC
LIMIT $2::bigint
