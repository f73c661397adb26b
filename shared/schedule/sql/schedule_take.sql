-- params: id, the time that is due (us), tenant id
-- returns: a schedule, in the order of the columns of schedule_store.c; none when that time is over or somebody else has it
-- with schedule_row.sql
WHERE s.id = $1::text AND s.tenant_id = $3::text AND s.paused_at IS NULL
  AND s.next_at = 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'
FOR UPDATE SKIP LOCKED
