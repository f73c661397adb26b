-- params: id, tenant id
-- returns: nothing; no row is affected when there is none
DELETE FROM schedules WHERE id = $1::text AND tenant_id = $2::text
