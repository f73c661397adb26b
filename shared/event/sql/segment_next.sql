-- params: tenant, session, n
-- returns: data, checksum, bytes of the segment that has the first entry after n; the archive's last n
SELECT data, checksum, bytes,
       (SELECT max(last_n) FROM log_segments WHERE session_id = $2::text AND tenant_id = $1::text)
FROM log_segments
WHERE session_id = $2::text AND tenant_id = $1::text AND last_n > $3::bigint
ORDER BY last_n
LIMIT 1
