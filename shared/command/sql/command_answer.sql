-- params: session id, request id, tenant id, payload, principal
-- returns: of the answer that stands its id, sequence number, time (us), by whom, behavior, and whether it is this very answer
SELECT c.id, c.seq, (extract(epoch FROM c.created_at) * 1000000)::bigint,
       coalesce(a.answered_by, c.created_by), c.payload ->> 'behavior',
       c.payload = $4::text::jsonb AND c.created_by = $5::text
FROM commands c
LEFT JOIN approvals a ON a.session_id = c.session_id AND a.request_id = $2::text
                     AND a.command_id = c.id
WHERE c.session_id = $1::text AND c.tenant_id = $3::text AND c.kind = 'approval'
  AND c.payload ->> 'request_id' = $2::text AND c.state IN ('queued', 'started', 'done')
ORDER BY c.seq LIMIT 1
