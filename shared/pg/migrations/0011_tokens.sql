-- Keys that sign access tokens.  sealed: the private key, encrypted with a key made of the pepper, so
-- a copied database signs nothing and a row that somebody else writes is no key.  A key signs from
-- activates_at until retires_at, and is published until the last token that it signed is over.
CREATE TABLE signing_keys (
    kid          text COLLATE "C" PRIMARY KEY,
    alg          text NOT NULL,
    sealed       bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    activates_at timestamptz NOT NULL,
    retires_at   timestamptz NOT NULL CHECK (retires_at >= activates_at)
);

-- A login of a program: one row, however often its token is replaced.  turn and hash: of the one
-- refresh token that counts; an older one that comes back ends the login.  scopes: of what the user may
-- do, only this; NULL: all of it.
CREATE TABLE refresh_tokens (
    id             text COLLATE "C" PRIMARY KEY,
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id        text COLLATE "C" NOT NULL REFERENCES users (id),
    scopes         text[],
    client         text NOT NULL DEFAULT '',
    address        text NOT NULL DEFAULT '',
    turn           bigint NOT NULL DEFAULT 1 CHECK (turn >= 1),
    hash           bytea NOT NULL CHECK (octet_length(hash) = 32),
    created_at     timestamptz NOT NULL DEFAULT now(),
    used_at        timestamptz NOT NULL DEFAULT now(),
    idle_at        timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text,
    UNIQUE (tenant_id, id)
);

CREATE INDEX refresh_tokens_by_user ON refresh_tokens (tenant_id, user_id, created_at DESC);
CREATE INDEX refresh_tokens_over ON refresh_tokens (expires_at);

ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refresh_tokens USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
