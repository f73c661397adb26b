-- params: what comes after: deadline (us), id; rows
-- returns: session id, tenant id, deadline (us) of those that live past their deadline
SELECT id, tenant_id, (extract(epoch FROM deadline) * 1000000)::bigint
FROM sessions
WHERE deadline IS NOT NULL AND state NOT IN ('stopped', 'completed', 'failed', 'cancelled')
  AND deadline <= now()
  AND (deadline, id) > ('epoch'::timestamptz + $1::bigint * interval '1 microsecond', $2::text)
ORDER BY deadline, id
LIMIT $3::bigint
