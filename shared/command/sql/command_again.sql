-- params: id, session id, kind, payload, tenant id
-- returns: one row when the id is taken: its sequence number, and whether it is this very command
SELECT seq, session_id = $2::text AND kind = $3::text AND payload = $4::text::jsonb
FROM commands WHERE id = $1::text AND tenant_id = $5::text
