-- params: tenant id, owner
-- returns: how many
SELECT count(*) FROM chats WHERE tenant_id = $1::text AND owner = $2::text
