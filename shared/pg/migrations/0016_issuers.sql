-- Whose tokens are taken beside our own.  A row is of a tenant: whom the issuer vouches for acts in it,
-- as the member that user_claim names (by id or e-mail), else in a role: roles of a value of role_claim,
-- else role.  NULL: not so.  jwks_uri: where its keys are; NULL: as its discovery document says.
CREATE TABLE issuers (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    issuer     text COLLATE "C" NOT NULL CHECK (octet_length(issuer) BETWEEN 1 AND 512),
    audience   text COLLATE "C" NOT NULL CHECK (octet_length(audience) BETWEEN 1 AND 256),
    jwks_uri   text CHECK (octet_length(jwks_uri) BETWEEN 1 AND 512),
    rsa_alg    text NOT NULL DEFAULT 'RS256',
    user_claim text CHECK (octet_length(user_claim) BETWEEN 1 AND 64),
    role_claim text CHECK (octet_length(role_claim) BETWEEN 1 AND 64),
    roles      jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(roles::text) <= 1024),
    role       text CHECK (role IN ('viewer', 'operator', 'admin')),
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (issuer, audience)
);

ALTER TABLE issuers ENABLE ROW LEVEL SECURITY;
ALTER TABLE issuers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON issuers USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
