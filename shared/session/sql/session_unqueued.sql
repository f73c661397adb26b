-- params: id after, milliseconds since creation, rows
-- returns: a session with its task, in the order of the columns of session_store.c
SELECT s.id, s.tenant_id, s.task_id, s.project_id, s.namespace, s.state, s.epoch, s.n,
       s.exit_code, s.reason, s.priority, s.retry_of, s.attempts, s.max_attempts, s.worker_id,
       (extract(epoch FROM s.created_at) * 1000000)::bigint,
       (extract(epoch FROM s.queued_at) * 1000000)::bigint,
       (extract(epoch FROM s.started_at) * 1000000)::bigint,
       (extract(epoch FROM s.ended_at) * 1000000)::bigint,
       (extract(epoch FROM s.updated_at) * 1000000)::bigint,
       s.labels, s.changes, s.workspace, s.agent,
       t.prompt, t.repo, t.runtime, t.delivery, t.created_by,
       t.owner, t.workers, t.concurrency_key, s.queue_after,
       s.queue_after IS NOT NULL AND s.after_met_at IS NULL,
       (extract(epoch FROM s.not_before) * 1000000)::bigint,
       (extract(epoch FROM s.deadline) * 1000000)::bigint,
       s.failures
FROM sessions s JOIN tasks t ON t.id = s.task_id
WHERE s.state NOT IN ('stopped', 'completed', 'failed', 'cancelled')
  AND (s.state = 'queued') IS TRUE -- in the order of the index of those that live
  AND s.queued_at IS NULL AND s.id > $1::text
  AND s.created_at <= now() - $2::bigint * interval '1 millisecond'
ORDER BY s.id
LIMIT $3::bigint
