-- params: hash
-- returns: nothing; no row is affected when it has ended
DELETE FROM device_logins WHERE hash = $1::bytea
