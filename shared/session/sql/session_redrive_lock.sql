-- params: tenant id
-- returns: nothing of interest; until the end of the transaction no other redrives this tenant
SELECT pg_advisory_xact_lock(hashtextextended('redrive ' || $1::text, 0))
