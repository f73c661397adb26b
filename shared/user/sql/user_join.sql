-- params: tenant id, user id, role, namespaces (comma list)
-- returns: nothing
INSERT INTO memberships (tenant_id, user_id, role, namespaces)
VALUES ($1::text, $2::text, $3::text, string_to_array($4::text, ','))
