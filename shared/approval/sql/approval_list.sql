-- planned: each time, for its parameters
-- params: tenant id, states (comma list), session id, project id, tool, namespaces (comma list), asked before (us), and session before, and request before, rows
-- returns: approvals, in the order of the columns of approval_store.c; the last asked first
SELECT a.session_id, a.request_id, coalesce(s.project_id, ''), s.namespace, a.tool, a.question, a.state,
       a.epoch, a.n, (extract(epoch FROM a.asked_at) * 1000000)::bigint,
       (extract(epoch FROM a.expires_at) * 1000000)::bigint, a.answered_by,
       (extract(epoch FROM a.answered_at) * 1000000)::bigint, a.scope, a.rule_id, a.command_id
FROM approvals a JOIN sessions s ON s.id = a.session_id AND (s.tenant_id = a.tenant_id) IS TRUE
WHERE a.tenant_id = $1::text
  AND ($2::text IS NULL OR a.state = ANY (string_to_array($2::text, ',')))
  AND ($3::text IS NULL OR a.session_id = $3::text)
  AND ($4::text IS NULL OR s.project_id = $4::text)
  AND ($5::text IS NULL OR a.tool = $5::text)
  AND ($6::text IS NULL OR s.namespace = ANY (string_to_array($6::text, ',')))
  AND ($7::bigint IS NULL
       OR (a.asked_at, a.session_id, a.request_id) < (
           'epoch'::timestamptz + $7::bigint * interval '1 microsecond', $8::text, $9::text))
ORDER BY a.asked_at DESC, a.session_id DESC, a.request_id DESC
LIMIT $10::bigint
