-- params: tenant id, user id, role, namespaces (comma list)
-- returns: nothing
UPDATE memberships SET role = $3::text, namespaces = string_to_array($4::text, ',')
WHERE tenant_id = $1::text AND user_id = $2::text
