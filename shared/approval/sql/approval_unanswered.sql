-- params: tenant id, session id, command id, at (us)
-- returns: nothing; its answer did not reach an agent that still asked
UPDATE approvals
SET state = 'withdrawn',
    answered_at = 'epoch'::timestamptz + $4::bigint * interval '1 microsecond'
WHERE (tenant_id = $1::text) IS TRUE AND session_id = $2::text AND command_id = $3::text
  AND state IN ('allowed', 'denied')
