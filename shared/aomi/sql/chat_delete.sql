-- params: tenant id, owner, name
-- returns: nothing; its sessions stay
DELETE FROM chats WHERE tenant_id = $1::text AND owner = $2::text AND name = $3::text
