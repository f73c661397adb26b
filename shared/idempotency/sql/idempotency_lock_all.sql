-- params: tenant id, [[principal, key], ...]
-- returns: one row; fairlead.locked says until the transaction ends of which of them (1, else 0) it is the one that holds the key
SELECT set_config('fairlead.locked', (
    SELECT string_agg(CASE WHEN pg_try_advisory_xact_lock(hashtextextended(
                          $1::text || ' ' || (k ->> 0) || ' ' || (k ->> 1), 0)) THEN '1' ELSE '0' END,
                      '' ORDER BY i)
    FROM jsonb_array_elements($2::text::jsonb) WITH ORDINALITY AS t (k, i)), true)
