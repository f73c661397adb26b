-- params: tenant id, owner, name, namespace
-- returns: nothing
INSERT INTO chats (tenant_id, owner, name, namespace)
VALUES ($1::text, $2::text, $3::text, $4::text)
ON CONFLICT (tenant_id, owner, name) DO NOTHING
