-- params: only this chain (NULL: all)
-- returns: chain, and n, hash, mac of its head (NULL: there is none); the one of no tenant last
SELECT c.tenant_id, h.n, h.hash, h.mac
FROM (SELECT tenant_id FROM audit_heads
      UNION SELECT DISTINCT tenant_id FROM audit
      UNION SELECT '.') c
LEFT JOIN audit_heads h ON h.tenant_id = c.tenant_id
WHERE $1::text IS NULL OR c.tenant_id = $1::text
ORDER BY c.tenant_id = '.', c.tenant_id
