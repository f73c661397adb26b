-- params: session id, epoch, state, reason, tenant id
-- returns: nothing; one that has ended stays as it is
UPDATE deliveries SET state = $3::text, reason = $4::text, ended_at = now()
WHERE session_id = $1::text AND tenant_id = $5::text AND epoch = $2::bigint AND state = 'waiting'
