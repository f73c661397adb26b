-- params: id
-- returns: id; of a tenant that is not disabled
SELECT id FROM tenants WHERE id = $1::text AND disabled_at IS NULL
