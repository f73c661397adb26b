-- params: [[id of the new session, id of the one that ended], ...], generation of Redis (null: unknown)
-- returns: how many were made
WITH made AS (
    INSERT INTO sessions (id, tenant_id, task_id, project_id, namespace, agent, priority, labels,
                          max_attempts, retry_of, root_id, epoch, n)
    SELECT e ->> 0, s.tenant_id, s.task_id, s.project_id, s.namespace, s.agent, s.priority,
           s.labels, s.max_attempts, s.id, coalesce(s.root_id, s.id),
           CASE WHEN $2::bigint IS NULL THEN 0 ELSE 1 END,
           CASE WHEN $2::bigint IS NULL THEN 0 ELSE 2 END
    FROM sessions s JOIN jsonb_array_elements($1::text::jsonb) e ON s.id = e ->> 1
    RETURNING id, tenant_id
), opened AS (
    -- What log_open() will answer when it makes their logs.
    INSERT INTO session_epochs (tenant_id, session_id, epoch, first_n, cause, generation)
    SELECT tenant_id, id, 1, 1, 'create', $2::bigint FROM made WHERE $2::bigint IS NOT NULL
)
SELECT count(*) FROM made
