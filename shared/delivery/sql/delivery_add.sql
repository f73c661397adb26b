-- params: session id, epoch, ref, commit, tenant id
-- returns: nothing; no row is added when the task names no branch, or it is there
INSERT INTO deliveries (session_id, epoch, tenant_id, ref, commit_id)
SELECT s.id, $2::bigint, s.tenant_id, $3::text, $4::text
FROM sessions s JOIN tasks t ON t.id = s.task_id
WHERE s.id = $1::text AND (s.tenant_id = $5::text) IS TRUE
  AND t.delivery ->> 'targetBranch' <> '' AND t.repo ->> 'url' <> ''
ON CONFLICT DO NOTHING
