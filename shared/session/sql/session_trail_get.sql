-- params: id, tenant id
-- returns: id, tenant id, state, epoch, n, attempts, whether it has open questions, whether webhooks may want it, of the session unless it is archived to its end
SELECT id, tenant_id, state, epoch, n, attempts,
       EXISTS (SELECT FROM approvals a WHERE a.session_id = sessions.id AND (a.state = 'open') IS TRUE),
-- with session_hooked.sql
FROM sessions
WHERE id = $1::text AND (tenant_id = $2::text) IS TRUE AND archived_at IS NULL
