-- params: tenant id, id
-- returns: nothing; no row is affected when there is none
DELETE FROM approval_rules WHERE (tenant_id = $1::text) IS TRUE AND id = $2::text
