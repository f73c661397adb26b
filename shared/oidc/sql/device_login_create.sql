-- params: hash, provider, sealed, address, interval, lives for (s), most at the same time, most of one address
-- returns: nothing; no row is affected when too many wait. Those that are over go
WITH gone AS (DELETE FROM device_logins WHERE expires_at < now())
INSERT INTO device_logins (hash, provider, sealed, address, interval_s, next_at, expires_at)
SELECT $1::bytea, $2::text, $3::bytea, $4::text, $5::integer, now(), now() + $6::bigint * interval '1 second'
WHERE (SELECT count(*) FROM device_logins WHERE expires_at >= now()) < $7::bigint
  AND (SELECT count(*) FROM device_logins WHERE expires_at >= now() AND address = $4::text) < $8::bigint
