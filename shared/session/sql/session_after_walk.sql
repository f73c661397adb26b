-- params: what waits for this id (null: for any), what comes after: the id waited for, the session, rows
-- returns: session id, tenant id, id waited for, whether that has ended, of what was not seen to
SELECT w.id, w.tenant_id, w.queue_after,
       NOT EXISTS (SELECT FROM sessions d
                   WHERE d.id = w.queue_after
                     AND d.state NOT IN ('stopped', 'completed', 'failed', 'cancelled'))
       AND NOT EXISTS (SELECT FROM sessions d
                       WHERE d.task_id = w.queue_after
                         AND d.state NOT IN ('stopped', 'completed', 'failed', 'cancelled'))
FROM sessions w
WHERE w.queue_after IS NOT NULL AND w.after_met_at IS NULL
  AND w.queue_after >= coalesce($1::text, $2::text)
  AND ($1::text IS NULL OR w.queue_after = $1::text)
  AND (w.queue_after, w.id) > ($2::text, $3::text)
ORDER BY w.queue_after, w.id
LIMIT $4::bigint
