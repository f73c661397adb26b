-- params: session id, id ('': the last one), tenant id
-- returns: the columns of command_open, of that prompt, which stays locked to the end of the transaction
SELECT id, tenant_id, session_id, kind, payload, state, seq, epoch, created_by,
       (extract(epoch FROM created_at) * 1000000)::bigint
FROM commands
WHERE session_id = $1::text AND tenant_id = $3::text AND kind = 'prompt'
  AND (id = $2::text OR ($2::text = '' AND state <> 'cancelled'))
ORDER BY seq DESC
LIMIT 1
FOR UPDATE
