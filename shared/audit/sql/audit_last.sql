-- params: chain
-- returns: one row: n of its last row (0: none), and of its head (NULL: there is none)
SELECT (SELECT coalesce(max(n), 0) FROM audit WHERE tenant_id = $1::text),
       (SELECT n FROM audit_heads WHERE tenant_id = $1::text)
