-- params: tenant id, owner, name
-- returns: a chat, in the order of the columns of chat_store.c
SELECT c.tenant_id, c.owner, c.name, c.namespace, c.part, c.session_id, c.title, c.is_archived,
       c.memory_mode, c.client_state, c.rig
FROM chats c
WHERE c.tenant_id = $1::text AND c.owner = $2::text AND c.name = $3::text
