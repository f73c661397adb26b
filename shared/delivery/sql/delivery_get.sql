-- params: session id, tenant id
-- returns: the newest delivery of the session as JSON, no row when there is none
SELECT json_strip_nulls(json_build_object(
    'state', d.state, 'ref', d.ref, 'commit', d.commit_id,
    'branch', t.delivery ->> 'targetBranch', 'reason', nullif(d.reason, '')))::text
FROM deliveries d JOIN sessions s ON s.id = d.session_id JOIN tasks t ON t.id = s.task_id
WHERE d.session_id = $1::text AND d.tenant_id = $2::text
ORDER BY d.epoch DESC
LIMIT 1
