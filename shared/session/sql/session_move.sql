-- params: id, state, epoch, n, when (us), exit code, reason, worker id, attempts, changes, workspace, tenant id
-- returns: id of its task, whether others wait for its end; no row when the row reflects that event or a later one already
WITH late AS (
    UPDATE deliveries SET state = 'superseded', ended_at = now()
    WHERE session_id = $1::text AND (tenant_id = $12::text) IS TRUE AND (state = 'waiting') IS TRUE
      AND ($2::text = 'queued' AND epoch <= $3::bigint
           OR $2::text = 'provisioning' AND epoch < $3::bigint)
)
UPDATE sessions SET
    state = $2::text,
    epoch = $3::bigint,
    n = $4::bigint,
    exit_code = coalesce($6::integer, exit_code),
    reason = coalesce($7::text, reason),
    worker_id = coalesce($8::text, worker_id),
    attempts = coalesce($9::integer, attempts),
    changes = coalesce($10::text::jsonb, changes),
    workspace = coalesce($11::text::jsonb, workspace),
    started_at = CASE WHEN $2::text = 'running' THEN
        coalesce(started_at, 'epoch'::timestamptz + $5::bigint * interval '1 microsecond')
        ELSE started_at END,
    ended_at = CASE WHEN $2::text IN ('stopped', 'completed', 'failed', 'cancelled') THEN
        'epoch'::timestamptz + $5::bigint * interval '1 microsecond' END,
    updated_at = now()
WHERE id = $1::text AND (tenant_id = $12::text) IS TRUE AND (epoch, n) < ($3::bigint, $4::bigint)
RETURNING task_id, $2::text IN ('stopped', 'completed', 'failed', 'cancelled') AND EXISTS (
    SELECT FROM sessions w
    WHERE (w.tenant_id = $12::text) IS TRUE AND w.queue_after IN (sessions.id, sessions.task_id)
      AND w.queue_after IS NOT NULL AND w.after_met_at IS NULL)
