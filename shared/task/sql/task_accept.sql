-- params: tenant id, generation of Redis (null: unknown), [{what insert_json() of task_store.c writes}, ...]
-- returns: how many sessions were made
-- (what is known of the parameters beforehand saves nothing: the plan is one for all)
WITH given AS (
    SELECT t.*, CASE WHEN $2::bigint IS NULL THEN 0 ELSE 1 END AS epoch
    FROM jsonb_to_recordset($3::text::jsonb) AS t (
        id text, project text, namespace text, creator text, owner text, prompt jsonb, repo jsonb,
        runtime jsonb, agents jsonb, delivery jsonb, labels jsonb, workers jsonb, key text,
        sessions jsonb, priority integer, attempts integer, after text, met boolean,
        not_before bigint, deadline bigint)
), task AS (
    INSERT INTO tasks (id, tenant_id, project_id, namespace, created_by, prompt, repo, runtime,
                       agents, delivery, labels, owner, workers, concurrency_key)
    SELECT id, $1::text, project, namespace, creator, prompt, repo, runtime, agents, delivery, labels,
           owner, workers, key
    FROM given
), made AS (
    -- What log_open() will answer when it makes their logs is known: 1-1, and the first state at 1-2.
    INSERT INTO sessions (id, tenant_id, task_id, project_id, namespace, agent, priority, labels,
                          max_attempts, queue_after, after_met_at, not_before, deadline, epoch, n)
    SELECT e ->> 0, $1::text, id, project, namespace,
           (agents -> (e ->> 1)::integer) || '{"count": 1}', priority, labels, attempts, after,
           CASE WHEN met THEN now() END,
           'epoch'::timestamptz + not_before * interval '1 microsecond',
           'epoch'::timestamptz + deadline * interval '1 microsecond',
           epoch, 2 * epoch
    FROM given, jsonb_array_elements(sessions) e
    RETURNING id, epoch
), opened AS (
    INSERT INTO session_epochs (tenant_id, session_id, epoch, first_n, cause, generation)
    SELECT $1::text, id, 1, 1, 'create', $2::bigint FROM made WHERE epoch = 1
)
SELECT count(*) FROM made
