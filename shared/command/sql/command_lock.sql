-- params: session id
-- returns: one row when the session is there; it stays locked to the end of the transaction
SELECT state FROM sessions WHERE id = $1::text FOR UPDATE
