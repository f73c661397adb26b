-- params: how long a key is of use after it retired (s)
-- returns: kid, alg, sealed, activates, retires, now (us); of use, in the order in which they sign; without one a row of NULLs
SELECT k.kid, k.alg, k.sealed, (extract(epoch FROM k.activates_at) * 1000000)::bigint,
       (extract(epoch FROM k.retires_at) * 1000000)::bigint,
       (extract(epoch FROM n.at) * 1000000)::bigint
FROM (SELECT clock_timestamp() AS at) n
LEFT JOIN signing_keys k ON k.retires_at > n.at - $1::bigint * interval '1 second'
ORDER BY k.activates_at, k.kid
LIMIT 16
