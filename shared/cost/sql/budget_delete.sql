-- params: tenant id, kind, name, period
-- returns: a row, if it was there
DELETE FROM budgets WHERE tenant_id = $1::text AND kind = $2::text AND name = $3::text AND period = $4::text
RETURNING kind
