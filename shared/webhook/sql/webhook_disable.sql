-- params: webhook id, tenant id, milliseconds that it may fail
-- returns: the id, if it has failed for that long and is disabled now; others are told, what waits for it is dead
WITH off AS (
    UPDATE webhooks w SET state = 'disabled', reason = 'it took nothing for too long', updated_at = now()
    FROM webhook_endpoints p
    WHERE w.id = $1::text AND w.tenant_id = $2::text AND w.state = 'active' AND p.endpoint = w.id
      AND p.failing_since + $3::bigint * interval '1 millisecond' <= now()
    RETURNING w.id, w.tenant_id, w.project_id, w.url
), dead AS (
    UPDATE webhook_messages m SET state = 'dead', error = 'the webhook was disabled', sending_until = NULL, ended_at = now()
    FROM off
    WHERE m.webhook_id = off.id AND (m.tenant_id = off.tenant_id) IS TRUE AND (m.state = 'waiting') IS TRUE
), told AS (
    INSERT INTO webhook_messages (id, tenant_id, endpoint, webhook_id, lane, type, at, project_id, data)
    SELECT left(encode(sha256(convert_to(concat_ws(' ', o.id, 'webhook.disabled', off.id, now()), 'UTF8')), 'hex'), 32),
           off.tenant_id, o.id, o.id, off.id, 'webhook.disabled', now(), off.project_id,
           json_build_object('webhookId', off.id, 'url', off.url)::text
    FROM off
    JOIN webhooks o ON o.tenant_id = off.tenant_id AND o.id <> off.id
    WHERE o.state = 'active' AND o.events && ARRAY['webhook.disabled', 'webhook.*', '*']
)
SELECT id FROM off
