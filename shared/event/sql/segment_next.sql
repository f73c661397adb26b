-- params: tenant, session, n
-- returns: data, checksum, bytes, first n, last epoch, last n of the segment that has the first entry
--          after n, NULL when there is none or when n is within what retention has removed; the
--          archive's last n; epoch and n of the last entry that retention has removed
SELECT g.data, g.checksum, g.bytes, g.first_n, g.last_epoch, g.last_n,
       greatest(s.removed_n, (SELECT max(last_n) FROM log_segments
                              WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE)),
       s.removed_epoch, s.removed_n
FROM sessions s
LEFT JOIN LATERAL (SELECT * FROM log_segments
                   WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE AND last_n > $3::bigint
                     AND s.removed_n <= $3::bigint
                   ORDER BY last_n LIMIT 1) g ON true
WHERE s.id = $2::text AND (s.tenant_id = $1::text) IS TRUE
