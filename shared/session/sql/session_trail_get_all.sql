-- params: ids (comma list)
-- returns: id, tenant id, state, epoch, n, attempts, whether it has open questions, whether webhooks may want it, of those that are not archived to their end
-- (the subquery: so that one plan is good for all lists)
SELECT id, tenant_id, state, epoch, n, attempts,
       EXISTS (SELECT FROM approvals a WHERE a.session_id = sessions.id AND (a.state = 'open') IS TRUE),
-- with session_hooked.sql
FROM sessions
WHERE archived_at IS NULL AND id = ANY (ARRAY(SELECT unnest(string_to_array($1::text, ','))))
