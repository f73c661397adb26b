-- params: name
-- returns: a chat, in the order of the columns of chat_store.c
-- across tenants: who has no key has no tenant yet; only in a namespace that is still open
SELECT c.tenant_id, c.owner, c.name, c.namespace, c.part, c.session_id, c.title, c.is_archived,
       c.memory_mode, c.client_state, c.rig
FROM chats c
    JOIN namespaces n ON n.tenant_id = c.tenant_id AND n.name = c.namespace
    JOIN tenants t ON t.id = c.tenant_id
WHERE c.owner = '' AND c.name = $1::text AND n.is_open AND t.disabled_at IS NULL
