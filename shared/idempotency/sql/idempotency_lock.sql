-- params: tenant id, principal, key
-- returns: whether this transaction is the one that holds the key; ends with it
SELECT pg_try_advisory_xact_lock(hashtextextended($1::text || ' ' || $2::text || ' ' || $3::text, 0))
