-- params: tenant id, session id, rows
-- returns: the ids of what nobody answered and of which no event says so yet; the oldest first
SELECT request_id
FROM approvals
WHERE (tenant_id = $1::text) IS TRUE AND session_id = $2::text AND state IN ('open', 'withdrawn')
  AND answered_by IS NULL AND command_id IS NULL
ORDER BY n LIMIT $3::bigint
