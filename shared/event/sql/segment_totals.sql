-- params: tenant, session, n
-- returns: name and number of what the segments that end there or before hold
SELECT u.name, sum(u.count)
FROM log_segments g, unnest(g.types, g.counts) AS u (name, count)
WHERE g.session_id = $2::text AND (g.tenant_id = $1::text) IS TRUE AND g.last_n <= $3::bigint
GROUP BY u.name
