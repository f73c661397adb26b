-- params: tenant id, name
-- returns: nothing
DELETE FROM namespaces WHERE tenant_id = $1::text AND name = $2::text
