-- planned: each time, for its parameters
-- params: tenant id, before this id (null: from the newest), rows
-- returns: webhooks, in the order of the columns of webhook_store.c; the newest first
-- with webhook_row.sql
WHERE w.tenant_id = $1::text AND ($2::text IS NULL OR w.id < $2::text)
ORDER BY w.id DESC LIMIT $3::bigint
