-- params: tenant id, id
-- returns: seq, the message as JSON
-- with message_row.sql
WHERE (m.tenant_id = $1::text) IS TRUE AND m.id = $2::text
