-- params: rows
-- returns: id, tenant id, issuer, audience, keys' address, algorithm of RSA keys, user claim, role claim, roles, role, created (us)
SELECT id, tenant_id, issuer, audience, coalesce(jwks_uri, ''), rsa_alg, coalesce(user_claim, ''),
       coalesce(role_claim, ''), roles::text, coalesce(role, ''),
       (extract(epoch FROM created_at) * 1000000)::bigint
FROM issuers
ORDER BY created_at, id
LIMIT $1::bigint
