-- params: tenant id, generation of Redis (null: unknown), [{what insert_json() of task_store.c writes}, ...]
-- returns: first null, how many sessions were made; then of each that was not accepted, because its key
--          is not fresh, its place in the list, null, and the columns of idempotency_find
-- (what is known of the parameters beforehand saves nothing: the plan is one for all)
WITH asked AS (
    SELECT t.*, CASE WHEN $2::bigint IS NULL THEN 0 ELSE 1 END AS epoch
    FROM jsonb_to_recordset($3::text::jsonb) AS t (
        i integer, id text, project text, namespace text, creator text, owner text,
        prompt jsonb, repo jsonb, runtime jsonb, agents jsonb, delivery jsonb, labels jsonb,
        workers jsonb, webhooks jsonb, key text, sessions jsonb, priority integer, attempts integer, after text,
        met boolean, not_before bigint, deadline bigint, traceparent text,
        lock integer, once_of text, once_key text, once_route text, once_hash text, once_status integer,
        once_type text, once_response text, once_headers text, once_s integer)
), known AS (
    SELECT a.i, k.route, k.request_hash, k.status, k.media_type, k.response, k.headers, k.sealed
    FROM asked a
    -- (OFFSET: each by its key, never all of a tenant)
    LEFT JOIN LATERAL (SELECT * FROM idempotency_keys
                       WHERE tenant_id = $1::text AND principal = a.once_of AND key = a.once_key
                         AND expires_at > now()
                       OFFSET 0) k ON true
    WHERE a.lock IS NOT NULL
      AND (k.route IS NOT NULL
           OR substr(current_setting('fairlead.locked', true), a.lock, 1) <> '1')
), given AS (
    SELECT * FROM asked WHERE i NOT IN (SELECT i FROM known)
), task AS (
    INSERT INTO tasks (id, tenant_id, project_id, namespace, created_by, prompt, repo, runtime,
                       agents, delivery, labels, owner, workers, webhooks, concurrency_key, traceparent)
    SELECT id, $1::text, project, namespace, creator, prompt, repo, runtime, agents, delivery, labels,
           owner, workers, coalesce(webhooks, '[]'), key, traceparent
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
), told AS (
    INSERT INTO webhook_messages (id, tenant_id, endpoint, webhook_id, url, lane, type, at, task_id, project_id)
    SELECT left(encode(sha256(convert_to(e.endpoint || ' task.accepted ' || g.id, 'UTF8')), 'hex'), 32), $1::text,
           e.endpoint, e.webhook_id, e.url, g.id, 'task.accepted', now(), g.id, coalesce(g.project, '')
    FROM given g
    CROSS JOIN LATERAL (
        SELECT w.id AS endpoint, w.id AS webhook_id, NULL::text AS url
        FROM webhooks w
        WHERE w.tenant_id = $1::text AND w.state = 'active' AND w.events && ARRAY['task.accepted', 'task.*', '*']
          AND w.project_id IN ('', coalesce(g.project, ''))
        UNION ALL
        SELECT DISTINCT left(encode(sha256(convert_to($1::text || ' ' || (h ->> 'url'), 'UTF8')), 'hex'), 32), NULL, h ->> 'url'
        FROM jsonb_array_elements(g.webhooks) h
        WHERE h ->> 'event' IN ('task.accepted', 'task.*', '*')) e
), kept AS (
    INSERT INTO idempotency_keys (tenant_id, principal, key, route, request_hash, status, media_type,
                                  response, headers, expires_at)
    SELECT $1::text, once_of, once_key, once_route, decode(once_hash, 'hex'), once_status, once_type,
           convert_to(once_response, 'UTF8'), once_headers, now() + once_s * interval '1 second'
    FROM given
    WHERE lock IS NOT NULL
    ON CONFLICT (tenant_id, principal, key) DO UPDATE SET -- it has expired
        route = excluded.route,
        request_hash = excluded.request_hash,
        status = excluded.status,
        media_type = excluded.media_type,
        response = excluded.response,
        headers = excluded.headers,
        sealed = false,
        created_at = now(),
        expires_at = excluded.expires_at
)
SELECT NULL::integer, (SELECT count(*) FROM made), NULL::text, NULL::bytea, NULL::integer, NULL::text,
       NULL::bytea, NULL::text, NULL::boolean
UNION ALL
SELECT i, NULL, route, request_hash, status, media_type, response, headers, sealed FROM known
