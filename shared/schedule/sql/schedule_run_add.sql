-- params: id, time (us), outcome, task id, reason, by hand, tenant id
-- returns: nothing; no row is affected when that time is there
INSERT INTO schedule_runs (schedule_id, tenant_id, at, outcome, task_id, reason, by_hand)
SELECT s.id, s.tenant_id, 'epoch'::timestamptz + $2::bigint * interval '1 microsecond', $3::text, $4::text,
       $5::text, $6::boolean
FROM schedules s
WHERE s.id = $1::text AND s.tenant_id = $7::text
ON CONFLICT (schedule_id, at) DO NOTHING
