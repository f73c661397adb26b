-- params: hash, seconds
-- returns: nothing
UPDATE device_logins
SET interval_s = least(interval_s + $2::integer, 600),
    next_at = now() + least(interval_s + $2::integer, 600) * interval '1 second'
WHERE hash = $1::bytea
