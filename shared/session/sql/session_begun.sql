-- params: id after, rows
-- returns: a session with its task, in the order of the columns of session_store.c
-- with session_row.sql
WHERE s.state NOT IN ('stopped', 'completed', 'failed', 'cancelled') AND s.state <> 'queued'
  AND s.id > $1::text
ORDER BY s.id
LIMIT $2::bigint
