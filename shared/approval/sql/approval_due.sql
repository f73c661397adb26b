-- params: overdue since before (ms), rows
-- returns: session id, tenant id, request id of open ones of all tenants whose time is over
SELECT a.session_id, a.tenant_id, a.request_id
FROM approvals a
WHERE a.state = 'open' AND a.expires_at < now() - $1::bigint * interval '1 millisecond'
ORDER BY a.expires_at LIMIT $2::bigint
