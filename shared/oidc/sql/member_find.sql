-- params: issuer, subject, address (NULL: not by that), tenant id
-- returns: user id, disabled, role in the tenant (NULL: no member), known by the provider; by the provider's name first
SELECT u.id, u.disabled_at IS NOT NULL OR u.kind <> 'person', m.role, i.user_id IS NOT NULL
FROM (SELECT user_id AS id FROM identities WHERE issuer = $1::text AND subject = $2::text
      UNION
      SELECT id FROM users WHERE email = $3::text) k
JOIN users u ON u.id = k.id
LEFT JOIN identities i ON i.issuer = $1::text AND i.subject = $2::text AND i.user_id = u.id
LEFT JOIN memberships m ON m.user_id = u.id AND m.tenant_id = $4::text
ORDER BY i.user_id IS NOT NULL DESC
LIMIT 1
