-- params: tenant id
-- returns: nothing; their sessions stay
DELETE FROM chats WHERE tenant_id = $1::text
