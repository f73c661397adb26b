-- params: tenant id, id, name
-- returns: nothing; no row is affected when there is none
UPDATE projects SET name = $3::text WHERE tenant_id = $1::text AND id = $2::text
