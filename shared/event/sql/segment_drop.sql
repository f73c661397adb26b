-- params: tenant, session, first n
-- returns: nothing
DELETE FROM log_segments
WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE AND first_n = $3::bigint
