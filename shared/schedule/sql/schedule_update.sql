-- params: id, created by, owner, name, namespace, cron, every (s), at (us), time zone, anchor (us), overlap, catch up, task, next (us), paused, project id, tenant id
-- returns: nothing; no row is affected when there is none
UPDATE schedules
SET created_by = $2::text, owner = $3::text, name = $4::text, namespace = $5::text, cron = $6::text,
    every_s = $7::bigint, at = 'epoch'::timestamptz + $8::bigint * interval '1 microsecond',
    timezone = $9::text, anchor_at = 'epoch'::timestamptz + $10::bigint * interval '1 microsecond',
    overlap = $11::text, catch_up = $12::text, task = $13::text::jsonb,
    next_at = 'epoch'::timestamptz + $14::bigint * interval '1 microsecond',
    paused_at = CASE WHEN $15::boolean THEN coalesce(paused_at, now()) END,
    project_id = $16::text, caught_up = 0, updated_at = now()
WHERE id = $1::text AND tenant_id = $17::text
