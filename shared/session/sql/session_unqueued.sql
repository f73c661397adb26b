-- params: id after, milliseconds since creation, rows
-- returns: a session with its task, in the order of the columns of session_store.c
-- with session_row.sql
WHERE s.state NOT IN ('stopped', 'completed', 'failed', 'cancelled')
  AND (s.state = 'queued') IS TRUE -- in the order of the index of those that live
  AND s.queued_at IS NULL AND s.id > $1::text
  AND s.created_at <= now() - $2::bigint * interval '1 millisecond'
ORDER BY s.id
LIMIT $3::bigint
