-- params: chain
-- returns: one row when it has begun: n, hash, mac of its end; locked to the end of the transaction
SELECT n, hash, mac FROM audit_heads WHERE tenant_id = $1::text FOR UPDATE
