-- params: how long a key is of use after it retired (s); negative: none is of use any more
-- returns: nothing
DELETE FROM signing_keys
WHERE $1::bigint < 0 OR retires_at <= now() - $1::bigint * interval '1 second'
