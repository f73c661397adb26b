-- params: tenant id, session id, request id, epoch, n, tool, question, asked (us), expires (us, or NULL)
-- returns: nothing; a question that is known stays as it is. Its answer may be known already.
INSERT INTO approvals (tenant_id, session_id, request_id, epoch, n, tool, question, asked_at,
                       expires_at, state, answered_by, answered_at, scope, command_id)
SELECT $1::text, $2::text, $3::text, $4::bigint, $5::bigint, $6::text, $7::text,
       'epoch'::timestamptz + $8::bigint * interval '1 microsecond',
       'epoch'::timestamptz + $9::bigint * interval '1 microsecond',
       CASE a.payload ->> 'behavior' WHEN 'allow' THEN 'allowed' WHEN 'deny' THEN 'denied'
            ELSE 'open' END,
       a.created_by, a.created_at, a.payload ->> 'scope', a.id
FROM (SELECT) one LEFT JOIN LATERAL (
    SELECT c.id, c.payload, c.created_by, c.created_at FROM commands c
    WHERE c.session_id = $2::text AND c.tenant_id = $1::text AND c.kind = 'approval'
      AND c.payload ->> 'request_id' = $3::text AND c.state IN ('queued', 'started', 'done')
    ORDER BY c.seq LIMIT 1) a ON true
ON CONFLICT (session_id, request_id) DO NOTHING
