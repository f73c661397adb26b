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
