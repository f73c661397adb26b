-- params: session id, epoch, times asked so far, milliseconds until it is asked again, tenant id
-- returns: the session id, unless somebody else asked meanwhile or it ended
UPDATE deliveries SET
    asked = asked + 1,
    next_at = now() + $4::bigint * interval '1 millisecond'
WHERE session_id = $1::text AND tenant_id = $5::text
  AND epoch = $2::bigint AND asked = $3::integer AND state = 'waiting'
RETURNING session_id
