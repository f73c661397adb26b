-- planned: each time, for its parameters
-- params: tenant id, webhook id, session id, state (each null: any), before this seq (null: from the newest), rows
-- returns: seq, the message as JSON; the newest first
-- with message_row.sql
WHERE m.tenant_id = $1::text AND ($2::text IS NULL OR m.webhook_id = $2::text)
  AND ($3::text IS NULL OR m.session_id = $3::text) AND ($4::text IS NULL OR m.state = $4::text)
  AND ($5::bigint IS NULL OR m.seq < $5::bigint)
ORDER BY m.seq DESC LIMIT $6::bigint
