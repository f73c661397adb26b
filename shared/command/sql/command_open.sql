-- params: session id, seq after, rows, tenant id
-- returns: id, tenant id, session id, kind, payload, state, seq, epoch, created by, created (us)
SELECT id, tenant_id, session_id, kind, payload, state, seq, epoch, created_by,
       (extract(epoch FROM created_at) * 1000000)::bigint
FROM commands
WHERE session_id = $1::text AND tenant_id = $4::text AND seq > $2::bigint AND state IN ('queued', 'started')
ORDER BY seq
LIMIT $3::bigint
