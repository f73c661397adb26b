-- params: tenant id, session id, rows
-- returns: question and whether it was allowed, of what was answered for the session's life; the newest first
SELECT question, state = 'allowed'
FROM approvals
WHERE (tenant_id = $1::text) IS TRUE AND session_id = $2::text AND scope = 'session'
  AND state IN ('allowed', 'denied')
ORDER BY answered_at DESC LIMIT $3::bigint
