-- params: tenant id, owner, name, session id, namespace, title (null: it stays)
-- returns: its part
WITH chat AS (
    UPDATE chats
    SET part = part + 1, session_id = $4::text, namespace = $5::text, last_active_at = now(),
        title = CASE WHEN is_user_title OR $6::text IS NULL THEN title ELSE $6::text END
    WHERE tenant_id = $1::text AND owner = $2::text AND name = $3::text
    RETURNING tenant_id, owner, name, part
)
INSERT INTO chat_sessions (tenant_id, owner, name, part, session_id)
SELECT tenant_id, owner, name, part, $4::text FROM chat
RETURNING part
