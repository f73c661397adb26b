-- planned: each time, for its parameters
-- params: tenant id, id (null: all dead ones), webhook id (null: any), messages at most
-- returns: the ids; the oldest first
UPDATE webhook_messages SET state = 'waiting', attempts = 0, since = now(), next_at = now(), sending_until = NULL, ended_at = NULL
WHERE tenant_id = $1::text AND id IN (
    SELECT id FROM webhook_messages
    WHERE tenant_id = $1::text AND state <> 'waiting' AND (id = $2::text OR ($2::text IS NULL AND state = 'dead'))
      AND ($3::text IS NULL OR webhook_id = $3::text)
    ORDER BY seq LIMIT $4::bigint
    FOR UPDATE SKIP LOCKED)
RETURNING id
