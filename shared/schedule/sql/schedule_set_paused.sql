-- params: id, paused, next (us), tenant id
-- returns: nothing
UPDATE schedules
SET paused_at = CASE WHEN $2::boolean THEN coalesce(paused_at, now()) END,
    next_at = 'epoch'::timestamptz + $3::bigint * interval '1 microsecond',
    caught_up = 0, updated_at = now()
WHERE id = $1::text AND tenant_id = $4::text
