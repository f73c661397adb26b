-- planned: each time, for its parameters
-- params: tenant id, owner (NULL: any), rows to skip, rows
-- returns: chats, in the order of the columns of chat_store.c
SELECT c.tenant_id, c.owner, c.name, c.namespace, c.part, c.session_id, c.title, c.is_archived,
       c.memory_mode, c.client_state, c.rig
FROM chats c
WHERE c.tenant_id = $1::text AND ($2::text IS NULL OR c.owner = $2::text)
ORDER BY c.last_active_at DESC, c.owner, c.name OFFSET $3::bigint LIMIT $4::bigint
