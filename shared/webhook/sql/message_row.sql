SELECT m.seq, json_strip_nulls(json_build_object(
    'id', m.id, 'webhookId', m.webhook_id, 'url', m.url, 'type', m.type, 'taskId', m.task_id, 'sessionId', m.session_id,
    'cursor', m.cursor, 'state', m.state, 'attempts', m.attempts, 'status', m.status, 'error', nullif(m.error, ''),
    'at', to_char(m.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'nextAttemptAt', CASE WHEN m.state = 'waiting' THEN to_char(m.next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END,
    'endedAt', to_char(m.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'tries', m.tries))::text
FROM webhook_messages m
