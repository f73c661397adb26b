-- params: attempts
-- returns: hash; counts the attempt. No row when there is no PIN that counts
UPDATE setup SET attempts = attempts + 1
WHERE done_at IS NULL AND expires_at > now() AND attempts < $1::bigint
RETURNING hash
