-- params: id, tenant id, session id, kind, payload, created by
-- returns: the sequence number; only under the lock of command_lock
INSERT INTO commands (id, tenant_id, session_id, kind, payload, created_by, seq)
SELECT $1::text, $2::text, $3::text, $4::text, $5::text::jsonb, $6::text,
       coalesce(max(seq), 0) + 1
FROM commands WHERE session_id = $3::text AND tenant_id = $2::text
RETURNING seq
