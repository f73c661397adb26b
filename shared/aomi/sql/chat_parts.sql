-- params: tenant id, owner, name, the most
-- returns: part, session id; the newest first
SELECT part, session_id FROM chat_sessions
WHERE tenant_id = $1::text AND owner = $2::text AND name = $3::text
ORDER BY part DESC LIMIT $4::bigint
