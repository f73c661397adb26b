-- params: priority and id after which the page begins, rows
-- returns: queued sessions, first those that may start first, in the order of the columns of
--          session_store.c; what the queue does not need to know is left out
SELECT s.id, s.tenant_id, s.task_id, s.project_id, s.namespace, s.state, s.epoch, s.n,
       NULL, NULL, s.priority, s.retry_of, s.attempts, s.max_attempts, NULL,
       (extract(epoch FROM s.created_at) * 1000000)::bigint,
       (extract(epoch FROM s.queued_at) * 1000000)::bigint,
       NULL, NULL, NULL,
       NULL, NULL, NULL, s.agent,
       NULL, t.repo, t.runtime, NULL, t.created_by,
       t.owner, t.workers, t.concurrency_key, s.queue_after,
       s.queue_after IS NOT NULL AND s.after_met_at IS NULL,
       (extract(epoch FROM s.not_before) * 1000000)::bigint,
       NULL,
       s.failures, NULL
FROM sessions s JOIN tasks t ON t.id = s.task_id
WHERE s.state = 'queued' AND s.queued_at IS NOT NULL
  AND (-s.priority, s.id) > (-$1::integer, $2::text)
ORDER BY -s.priority, s.id
LIMIT $3::bigint
