-- params: session id, request id, tenant id
-- returns: one row when an answer to the request stands: one that did not fail
SELECT 1 FROM commands
WHERE session_id = $1::text AND tenant_id = $3::text
  AND kind = 'approval' AND payload ->> 'request_id' = $2::text AND state IN ('queued', 'started', 'done')
LIMIT 1
