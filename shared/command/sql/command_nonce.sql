-- params: tenant id, session id, nonce
-- returns: nothing; no row is affected when it was used before
WITH old AS (
    DELETE FROM approval_nonces
    WHERE session_id = $2::text AND used_at < now() - interval '5 minutes')
INSERT INTO approval_nonces (tenant_id, session_id, nonce)
VALUES ($1::text, $2::text, $3::text)
ON CONFLICT DO NOTHING
