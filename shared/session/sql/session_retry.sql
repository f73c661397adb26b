-- params: [[id of the new session, id of the one that ended], ...], generation of Redis (null: unknown)
-- returns: how many were made
WITH made AS (
    INSERT INTO sessions (id, tenant_id, task_id, project_id, namespace, agent, priority, labels,
                          max_attempts, retry_of, root_id, epoch, n)
    SELECT e.made, s.tenant_id, s.task_id, s.project_id, s.namespace, s.agent, s.priority,
           s.labels, s.max_attempts, s.id, coalesce(s.root_id, s.id),
           CASE WHEN $2::bigint IS NULL THEN 0 ELSE 1 END,
           CASE WHEN $2::bigint IS NULL THEN 0 ELSE 2 END
    -- (OFFSET: each by its id, which is there before it is looked up)
    FROM (SELECT p ->> 0 AS made, p ->> 1 AS ended FROM jsonb_array_elements($1::text::jsonb) p OFFSET 0) e
    CROSS JOIN LATERAL (SELECT * FROM sessions WHERE id = e.ended OFFSET 0) s
    RETURNING id, tenant_id
), opened AS (
    -- What log_open() will answer when it makes their logs.
    INSERT INTO session_epochs (tenant_id, session_id, epoch, first_n, cause, generation)
    SELECT tenant_id, id, 1, 1, 'create', $2::bigint FROM made WHERE $2::bigint IS NOT NULL
)
SELECT count(*) FROM made
