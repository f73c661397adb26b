-- params: tenant id, session id (or NULL), request id
-- returns: at most two approvals, in the order of the columns of approval_store.c
SELECT a.session_id, a.request_id, coalesce(s.project_id, ''), s.namespace, a.tool, a.question, a.state,
       a.epoch, a.n, (extract(epoch FROM a.asked_at) * 1000000)::bigint,
       (extract(epoch FROM a.expires_at) * 1000000)::bigint, a.answered_by,
       (extract(epoch FROM a.answered_at) * 1000000)::bigint, a.scope, a.rule_id, a.command_id
FROM approvals a JOIN sessions s ON s.id = a.session_id AND (s.tenant_id = a.tenant_id) IS TRUE
WHERE a.tenant_id = $1::text AND a.request_id = $3::text
  AND ($2::text IS NULL OR a.session_id = $2::text)
LIMIT 2
