-- params: tenant id, session id, request id, state, by, at (us), scope, rule id (or NULL), command id (or NULL)
-- returns: nothing; the first answer stays, and is completed by what its own command says later
UPDATE approvals
SET state = $4::text, answered_by = $5::text,
    answered_at = 'epoch'::timestamptz + $6::bigint * interval '1 microsecond',
    scope = $7::text, rule_id = coalesce($8::text, rule_id), command_id = $9::text
WHERE tenant_id = $1::text AND session_id = $2::text AND request_id = $3::text
  AND (state = 'open' OR command_id = $9::text
       OR (state = 'withdrawn' AND $4::text = 'withdrawn' AND answered_by IS NULL))
