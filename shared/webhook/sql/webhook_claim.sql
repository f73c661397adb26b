-- params: messages at most, of one endpoint at a time, failures of an endpoint after which it gets one at a time, attempts after which a message no longer holds up its lane, milliseconds that a delivery may take
-- returns: id, tenant id, type, microseconds since 1970, task, session, project, cursor, data, webhook id (null: a task's), url, attempts with this one, number of the secret, whether the one before signs too, times that its endpoint failed in a row
WITH RECURSIVE ends AS (
    (SELECT endpoint FROM webhook_messages WHERE state = 'waiting' ORDER BY endpoint LIMIT 1)
    UNION ALL
    SELECT (SELECT m.endpoint FROM webhook_messages m
            WHERE m.state = 'waiting' AND m.endpoint > e.endpoint ORDER BY m.endpoint LIMIT 1)
    FROM ends e WHERE e.endpoint IS NOT NULL
), due AS (
    SELECT d.id, d.next_at, row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.next_at) AS turn
    FROM ends e
    LEFT JOIN webhook_endpoints p ON p.endpoint = e.endpoint
    LEFT JOIN LATERAL (SELECT state FROM webhooks WHERE id = e.endpoint OFFSET 0) w ON true
    CROSS JOIN LATERAL (
        SELECT m.id, m.tenant_id, m.next_at
        FROM webhook_messages m
        WHERE m.state = 'waiting' AND m.endpoint = e.endpoint AND m.next_at <= now()
          AND NOT EXISTS (SELECT FROM webhook_messages o
                          WHERE o.state = 'waiting' AND o.endpoint = m.endpoint AND o.lane = m.lane AND o.seq < m.seq
                            AND (o.attempts < $4::integer OR o.sending_until > now())
                          OFFSET 0) -- of each message's lane by itself
        ORDER BY m.next_at, m.seq
        LIMIT greatest(0, (CASE WHEN p.failures >= $3::integer THEN 1 ELSE $2::bigint END)
                          - (SELECT count(*) FROM webhook_messages b
                             WHERE b.endpoint = e.endpoint AND b.state = 'waiting' AND b.sending_until > now()))) d
    WHERE e.endpoint IS NOT NULL AND coalesce(w.state, 'active') = 'active'
      AND (p.failures IS NULL OR p.failures < $3::integer OR p.rest_until <= now())
), taken AS (
    SELECT id FROM webhook_messages
    WHERE id = ANY (ARRAY(SELECT id FROM due ORDER BY turn, next_at LIMIT $1::bigint))
      AND (state = 'waiting') IS TRUE AND (next_at <= now()) IS TRUE
    FOR UPDATE SKIP LOCKED
), sending AS (
    UPDATE webhook_messages m SET
        attempts = m.attempts + 1,
        sending_until = now() + $5::bigint * interval '1 millisecond',
        next_at = now() + $5::bigint * interval '1 millisecond'
    FROM taken k
    WHERE m.id = k.id
    RETURNING m.*
)
SELECT s.id, s.tenant_id, s.type, (extract(epoch FROM s.at) * 1000000)::bigint, s.task_id, s.session_id, s.project_id,
       s.cursor, s.data, s.webhook_id, coalesce(s.url, w.url), s.attempts, coalesce(w.secret_n, t.secret_n, 1),
       coalesce(w.rotated_at, t.rotated_at) > now() - interval '1 day', coalesce(p.failures, 0)
FROM sending s
LEFT JOIN webhooks w ON w.id = s.webhook_id
LEFT JOIN webhook_task_secrets t ON t.tenant_id = s.tenant_id AND s.webhook_id IS NULL
LEFT JOIN webhook_endpoints p ON p.endpoint = s.endpoint
ORDER BY s.seq
