-- params: tenant id, project id, name
-- returns: nothing; no row is affected when there is none
DELETE FROM secrets WHERE tenant_id = $1::text AND project_id = $2::text AND name = $3::text
