-- params: tenant id, user id, role
-- returns: nothing; namespaces stay as they are
UPDATE memberships SET role = $3::text
WHERE tenant_id = $1::text AND user_id = $2::text AND role <> $3::text
