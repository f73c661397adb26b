-- params: webhook id, tenant id, message id
-- returns: the message id, if the webhook is there
INSERT INTO webhook_messages (id, tenant_id, endpoint, webhook_id, lane, type, at, project_id)
SELECT $3::text, tenant_id, id, id, $3::text, 'webhook.test', now(), project_id
FROM webhooks WHERE id = $1::text AND tenant_id = $2::text
RETURNING id
