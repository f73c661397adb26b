-- params: tenant, session, epoch
-- returns: first n of the epoch that followed
SELECT first_n
FROM session_epochs
WHERE session_id = $2::text AND tenant_id = $1::text AND epoch > $3::bigint
ORDER BY epoch
LIMIT 1
