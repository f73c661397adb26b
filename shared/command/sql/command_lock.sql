-- params: session id, tenant id
-- returns: one row when the session is there; it stays locked to the end of the transaction
SELECT state FROM sessions WHERE id = $1::text AND (tenant_id = $2::text) IS TRUE FOR UPDATE
