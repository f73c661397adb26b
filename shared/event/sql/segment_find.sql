-- params: tenant, session, n from, n to, names of what is counted, -1 (from the end) or 1, skip, count
-- returns: a row NULL, NULL, all matching events, NULL; then first n, last n, matching events before it
--          and first epoch of the segments that hold the wanted ones
WITH h AS (
    SELECT first_n, last_n, first_epoch, matching,
           sum(matching) OVER (ORDER BY first_n * $6::bigint) AS through
    FROM (SELECT first_n, last_n, first_epoch,
                 (SELECT coalesce(sum(u.count), 0) FROM unnest(types, counts) AS u (name, count)
                  WHERE u.name = ANY ($5::text[])) AS matching
          FROM log_segments
          WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE
            AND first_n >= $3::bigint AND last_n <= $4::bigint) g
    WHERE matching > 0)
SELECT first_n, last_n, before, first_epoch
FROM (SELECT NULL::bigint AS first_n, NULL::bigint AS last_n, coalesce(max(through), 0) AS before,
             NULL::bigint AS first_epoch
      FROM h
      UNION ALL
      (SELECT first_n, last_n, through - matching, first_epoch
       FROM h
       WHERE through > $7::bigint AND through - matching < $7::bigint + $8::bigint
       ORDER BY through
       LIMIT $8::bigint)) u
ORDER BY first_n IS NOT NULL, before
