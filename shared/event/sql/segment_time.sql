-- params: tenant, session, ms
-- returns: first n, last n, first epoch of the segment that holds the first entry of that time or
--          later, NULL when there is none; the archive's last n, NULL when there is none
SELECT g.first_n, g.last_n, g.first_epoch,
       (SELECT max(last_n) FROM log_segments
        WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE)
FROM (VALUES (1)) one
LEFT JOIN LATERAL (SELECT first_n, last_n, first_epoch FROM log_segments
                   WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE
                     AND last_ts >= to_timestamp($3::bigint / 1000.0)
                   ORDER BY first_n LIMIT 1) g ON true
