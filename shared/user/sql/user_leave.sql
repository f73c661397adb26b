-- params: tenant id, user id
-- returns: nothing
DELETE FROM memberships WHERE tenant_id = $1::text AND user_id = $2::text
