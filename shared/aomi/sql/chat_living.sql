-- params: tenant id, the most
-- returns: session ids of chats that go on
-- (OFFSET: each by its id)
SELECT s.id
FROM chats c
CROSS JOIN LATERAL (SELECT id FROM sessions
                    WHERE id = c.session_id AND (tenant_id = c.tenant_id) IS TRUE
                      AND state NOT IN ('stopped', 'completed', 'failed', 'cancelled')
                    OFFSET 0) s
WHERE c.tenant_id = $1::text
ORDER BY s.id LIMIT $2::bigint
