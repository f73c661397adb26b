-- params: tenant id, chain id, address
-- returns: nothing; no row is affected when there is none
DELETE FROM contracts WHERE tenant_id = $1::text AND chain_id = $2::bigint AND address = $3::text
