-- params: session id, rows, tenant id
-- returns: the columns of command_open, of the prompts that wait, in order
SELECT id, tenant_id, session_id, kind, payload, state, seq, epoch, created_by,
       (extract(epoch FROM created_at) * 1000000)::bigint
FROM commands
WHERE session_id = $1::text AND tenant_id = $3::text AND kind = 'prompt' AND state = 'queued'
ORDER BY seq
LIMIT $2::bigint
