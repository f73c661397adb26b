-- params: id, tenant id, project id, namespace, created by, prompt, repo, runtime, agents, delivery, labels, owner, workers, concurrency key, [[session id, index of its agent], ...], priority, attempts allowed, id that must have ended first, not before (us), deadline (us), has that ended, generation of Redis (null: unknown)
-- returns: how many sessions were made
WITH task AS (
    INSERT INTO tasks (id, tenant_id, project_id, namespace, created_by, prompt, repo, runtime,
                       agents, delivery, labels, owner, workers, concurrency_key)
    VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text::jsonb, $7::text::jsonb,
            $8::text::jsonb, $9::text::jsonb, $10::text::jsonb, $11::text::jsonb, $12::text,
            $13::text::jsonb, $14::text)
    RETURNING id, tenant_id, project_id, namespace, agents, labels
), made AS (
    INSERT INTO sessions (id, tenant_id, task_id, project_id, namespace, agent, priority, labels,
                          max_attempts, queue_after, not_before, deadline,
                          after_met_at)
    SELECT e ->> 0, t.tenant_id, t.id, t.project_id, t.namespace,
           (t.agents -> (e ->> 1)::integer) || '{"count": 1}', $16::integer, t.labels,
           $17::integer, $18::text,
           'epoch'::timestamptz + $19::bigint * interval '1 microsecond',
           'epoch'::timestamptz + $20::bigint * interval '1 microsecond',
           CASE WHEN $21::boolean THEN now() END
    FROM task t, jsonb_array_elements($15::text::jsonb) e
    RETURNING id, tenant_id
), opened AS (
    -- What log_open() will answer when it makes their logs.
    INSERT INTO session_epochs (tenant_id, session_id, epoch, first_n, cause, generation)
    SELECT tenant_id, id, 1, 1, 'create', $22::bigint FROM made WHERE $22::bigint IS NOT NULL
)
SELECT count(*) FROM made
