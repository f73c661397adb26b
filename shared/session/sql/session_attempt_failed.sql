-- params: id, which attempt, tenant id
-- returns: nothing
UPDATE sessions SET failures = greatest(failures, $2::integer)
WHERE id = $1::text AND (tenant_id = $3::text) IS TRUE
