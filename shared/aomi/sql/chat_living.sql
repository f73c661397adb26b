-- params: tenant id, the most
-- returns: session ids of chats that go on
SELECT s.id FROM chats c JOIN sessions s ON s.id = c.session_id AND (s.tenant_id = c.tenant_id) IS TRUE
WHERE c.tenant_id = $1::text AND s.state NOT IN ('stopped', 'completed', 'failed', 'cancelled')
ORDER BY s.id LIMIT $2::bigint
