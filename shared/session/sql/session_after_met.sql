-- params: id, tenant id
-- returns: nothing
UPDATE sessions SET after_met_at = now() WHERE id = $1::text AND (tenant_id = $2::text) IS TRUE AND after_met_at IS NULL
