-- params: tenant id, session id, type, all that it answers to (comma list), cursor, microseconds since 1970, data (JSON, null: none)
-- returns: a row for each who is to be told and was not before
INSERT INTO webhook_messages (id, tenant_id, endpoint, webhook_id, url, lane, type, at, task_id, session_id, project_id, cursor, data)
SELECT left(encode(sha256(convert_to(concat_ws(' ', e.endpoint, $3::text, $2::text, $5::text), 'UTF8')), 'hex'), 32),
       s.tenant_id, e.endpoint, e.webhook_id, e.url, s.task_id, $3::text,
       'epoch'::timestamptz + $6::bigint * interval '1 microsecond', s.task_id, s.id, coalesce(s.project_id, ''),
       $5::text, $7::text
FROM sessions s
JOIN tasks t ON t.id = s.task_id
CROSS JOIN LATERAL (
    SELECT w.id AS endpoint, w.id AS webhook_id, NULL::text AS url
    FROM webhooks w
    WHERE w.tenant_id = s.tenant_id AND w.state = 'active' AND w.events && string_to_array($4::text, ',')
      AND w.project_id IN ('', coalesce(s.project_id, ''))
    UNION ALL
    SELECT DISTINCT left(encode(sha256(convert_to(s.tenant_id || ' ' || (h ->> 'url'), 'UTF8')), 'hex'), 32), NULL, h ->> 'url'
    FROM jsonb_array_elements(t.webhooks) h
    WHERE h ->> 'event' = ANY (string_to_array($4::text, ','))) e
WHERE s.id = $2::text AND (s.tenant_id = $1::text) IS TRUE
ON CONFLICT (id) DO NOTHING
RETURNING id
