-- params: how long a key is of use after it retired (s)
-- returns: kid, alg, sealed, activates, retires, now (us); those of use, in the order in which they sign
SELECT kid, alg, sealed, (extract(epoch FROM activates_at) * 1000000)::bigint,
       (extract(epoch FROM retires_at) * 1000000)::bigint,
       (extract(epoch FROM now()) * 1000000)::bigint
FROM signing_keys
WHERE retires_at > now() - $1::bigint * interval '1 second'
ORDER BY activates_at, kid
LIMIT 16
