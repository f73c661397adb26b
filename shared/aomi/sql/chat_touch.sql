-- params: tenant id, owner, name, state of the client (null: it stays)
-- returns: nothing
UPDATE chats
SET last_active_at = now(), client_state = coalesce($4::text::jsonb, client_state)
WHERE tenant_id = $1::text AND owner = $2::text AND name = $3::text
