-- params: id, the time that is due (us), tenant id
-- returns: a schedule, in the order of the columns of schedule_store.c; none when that time is over or somebody else has it
SELECT s.id, s.tenant_id, s.name, s.namespace, s.created_by, s.owner, s.cron, s.every_s,
       (extract(epoch FROM s.at) * 1000000)::bigint, s.timezone,
       (extract(epoch FROM s.anchor_at) * 1000000)::bigint, s.overlap, s.catch_up, s.task,
       (extract(epoch FROM s.next_at) * 1000000)::bigint, s.paused_at IS NOT NULL, s.caught_up,
       (extract(epoch FROM s.created_at) * 1000000)::bigint,
       (extract(epoch FROM s.updated_at) * 1000000)::bigint,
       (SELECT (extract(epoch FROM max(r.at)) * 1000000)::bigint
        FROM schedule_runs r WHERE r.schedule_id = s.id),
       (SELECT r.task_id FROM schedule_runs r
        WHERE r.schedule_id = s.id AND r.task_id IS NOT NULL ORDER BY r.at DESC LIMIT 1),
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM schedules s
WHERE s.id = $1::text AND s.tenant_id = $3::text AND s.paused_at IS NULL
  AND s.next_at = 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'
FOR UPDATE SKIP LOCKED
