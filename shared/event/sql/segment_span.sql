-- params: tenant, session, n from, n to
-- returns: first n, last epoch and last n of the segments that lie within, NULL when there are none;
--          whether all of them are counted; first n and last n of the first hole between two, or NULL
SELECT min(first_n), max(last_epoch), max(last_n), bool_and(counts <> '{}'),
       min(before + 1) FILTER (WHERE before + 1 < first_n),
       min(first_n) FILTER (WHERE before + 1 < first_n) - 1
FROM (SELECT first_n, last_epoch, last_n, counts, lag(last_n) OVER (ORDER BY first_n) AS before
      FROM log_segments
      WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE
        AND first_n >= $3::bigint AND last_n <= $4::bigint) g
