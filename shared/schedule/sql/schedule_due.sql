-- params: how soon (ms), after this time (us) and id, rows
-- returns: id, tenant id, next time (us), now (us), whether it cancels what runs
SELECT s.id, s.tenant_id, (extract(epoch FROM s.next_at) * 1000000)::bigint,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, s.overlap = 'cancel'
FROM schedules s JOIN tenants t ON t.id = s.tenant_id
WHERE s.next_at <= clock_timestamp() + $1::bigint * interval '1 millisecond'
  AND s.paused_at IS NULL AND t.disabled_at IS NULL
  AND ($2::bigint IS NULL
       OR (s.next_at, s.id) > (
           'epoch'::timestamptz + $2::bigint * interval '1 microsecond', $3::text))
ORDER BY s.next_at, s.id
LIMIT $4::bigint
