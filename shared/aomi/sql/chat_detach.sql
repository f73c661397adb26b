-- params: tenant id, owner, name
-- returns: nothing; its next message begins another session
UPDATE chats SET session_id = NULL
WHERE tenant_id = $1::text AND owner = $2::text AND name = $3::text
