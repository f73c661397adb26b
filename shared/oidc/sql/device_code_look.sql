-- params: hash of the user code
-- returns: client, address, scopes, created, expires (us); no row unless it waits
SELECT client, address, array_to_string(asked, ','), (extract(epoch FROM created_at) * 1000000)::bigint,
       (extract(epoch FROM expires_at) * 1000000)::bigint
FROM device_codes
WHERE user_hash = $1::bytea AND expires_at > now() AND decision IS NULL
