-- params: id, next (us), caught up, tenant id
-- returns: nothing
UPDATE schedules
SET next_at = 'epoch'::timestamptz + $2::bigint * interval '1 microsecond', caught_up = $3::integer
WHERE id = $1::text AND tenant_id = $4::text
