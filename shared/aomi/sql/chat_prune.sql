-- params: for how long a guest's chat is kept after its last message (s), rows
-- returns: nothing; their sessions go with their own retention
DELETE FROM chats
WHERE (tenant_id, owner, name) IN (
    SELECT c.tenant_id, c.owner, c.name FROM chats c
    LEFT JOIN sessions s ON s.id = c.session_id AND (s.tenant_id = c.tenant_id) IS TRUE
    WHERE c.owner = '' AND c.last_active_at < now() - $1::bigint * interval '1 second'
      AND (s.id IS NULL OR s.state IN ('stopped', 'completed', 'failed', 'cancelled'))
    LIMIT $2::bigint)
