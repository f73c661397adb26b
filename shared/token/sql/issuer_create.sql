-- params: id, tenant id, issuer, audience, keys' address, algorithm of RSA keys, user claim, role claim, roles, role, by, how many there may be
-- returns: nothing; no row is affected when there are so many
INSERT INTO issuers (id, tenant_id, issuer, audience, jwks_uri, rsa_alg, user_claim, role_claim, roles,
                     role, created_by)
SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::jsonb,
       $10::text, $11::text
WHERE (SELECT count(*) FROM issuers) < $12::bigint
