-- params: tenant, session, n
-- returns: last epoch, last n of the newest segment that ends at n or before
SELECT last_epoch, last_n
FROM log_segments
WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE AND last_n <= $3::bigint
ORDER BY last_n DESC
LIMIT 1
