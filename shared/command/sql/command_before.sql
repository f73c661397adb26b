-- params: session id, seq, tenant id
-- returns: one row when there is one: the id of the last waiting command before that one, of those that an agent gets in order
SELECT id FROM commands
WHERE session_id = $1::text AND tenant_id = $3::text
  AND seq < $2::bigint AND state = 'queued' AND kind = 'prompt'
ORDER BY seq DESC
LIMIT 1
