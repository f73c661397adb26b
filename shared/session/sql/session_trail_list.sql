-- params: id after, rows
-- returns: id, tenant id, state, epoch, n, attempts, whether it has open questions, whether webhooks may want it, of sessions that are not archived to their end
SELECT id, tenant_id, state, epoch, n, attempts,
       EXISTS (SELECT FROM approvals a WHERE a.session_id = sessions.id AND (a.state = 'open') IS TRUE),
-- with session_hooked.sql
FROM sessions
WHERE archived_at IS NULL AND id > $1::text
ORDER BY id
LIMIT $2::bigint
