-- params: tenant id, id
-- returns: the webhook, in the order of the columns of webhook_store.c
-- with webhook_row.sql
WHERE w.tenant_id = $1::text AND w.id = $2::text
