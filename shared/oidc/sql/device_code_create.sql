-- params: hash, hash of the user code, client, address, scopes, interval, lives for (s), most at the same time, most of one address
-- returns: nothing; no row is affected when too many wait. Those that are long over go
WITH gone AS (DELETE FROM device_codes WHERE expires_at < now() - interval '10 minutes')
INSERT INTO device_codes (hash, user_hash, client, address, asked, interval_s, next_at, expires_at)
SELECT $1::bytea, $2::bytea, $3::text, $4::text, string_to_array($5::text, ','), $6::integer, now(),
       now() + $7::bigint * interval '1 second'
WHERE (SELECT count(*) FROM device_codes) < $8::bigint
  AND (SELECT count(*) FROM device_codes WHERE address = $4::text AND expires_at > now()) < $9::bigint
