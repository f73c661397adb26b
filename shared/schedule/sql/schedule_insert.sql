-- params: id, created by, owner, name, namespace, cron, every (s), at (us), time zone, anchor (us), overlap, catch up, task, next (us), paused, project id, tenant id
-- returns: nothing
INSERT INTO schedules (id, tenant_id, created_by, owner, name, namespace, cron, every_s, at, timezone,
                       anchor_at, overlap, catch_up, task, next_at, paused_at, project_id)
VALUES ($1::text, $17::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::bigint,
        'epoch'::timestamptz + $8::bigint * interval '1 microsecond', $9::text,
        'epoch'::timestamptz + $10::bigint * interval '1 microsecond', $11::text, $12::text,
        $13::text::jsonb, 'epoch'::timestamptz + $14::bigint * interval '1 microsecond',
        CASE WHEN $15::boolean THEN now() END, $16::text)
