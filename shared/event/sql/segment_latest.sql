-- params: tenant, session, n, names, names of which several are wanted, how many
-- returns: of the segments that end there or before, the first n of: the newest that has the first
--          name, the second and so on, and the newest several that have one of the others, ascending;
--          whether it is one of the several
WITH g AS (SELECT first_n, types FROM log_segments
           WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE AND last_n <= $3::bigint)
SELECT first_n, bool_or(several)
FROM (SELECT one.first_n, false AS several
      FROM unnest($4::text[]) AS w (name)
      CROSS JOIN LATERAL (SELECT first_n FROM g WHERE w.name = ANY (types)
                          ORDER BY first_n DESC LIMIT 1) one
      UNION ALL
      (SELECT first_n, true
       FROM g
       WHERE types && $5::text[]
       ORDER BY first_n DESC
       LIMIT $6::bigint)) a
GROUP BY first_n
ORDER BY first_n
