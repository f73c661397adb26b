-- Whom a provider knows under which name as which user.  A user has as many as they log in with.
CREATE TABLE identities (
    issuer     text COLLATE "C" NOT NULL CHECK (octet_length(issuer) BETWEEN 1 AND 512),
    subject    text COLLATE "C" NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 255),
    user_id    text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider   text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX identities_by_user ON identities (user_id, used_at DESC);

ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE identities FORCE ROW LEVEL SECURITY;
CREATE POLICY nobodys ON identities USING ((SELECT current_setting('fairlead.tenant', true)) = '*');

-- Devices that log in at a provider: sealed is the provider's code, hash of ours.  next_at: not asked
-- about before that.
CREATE TABLE device_logins (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    provider   text NOT NULL,
    sealed     bytea NOT NULL,
    address    text NOT NULL DEFAULT '',
    interval_s integer NOT NULL CHECK (interval_s BETWEEN 1 AND 600),
    next_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX device_logins_over ON device_logins (expires_at);

ALTER TABLE device_logins ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_logins FORCE ROW LEVEL SECURITY;
CREATE POLICY nobodys ON device_logins USING ((SELECT current_setting('fairlead.tenant', true)) = '*');

-- Programs that wait for somebody to let them in (RFC 8628): both codes only as keyed hashes.  decision
-- is that of the user, who is NULL until then; scopes and namespaces: no more than those.
CREATE TABLE device_codes (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    user_hash  bytea NOT NULL UNIQUE CHECK (octet_length(user_hash) = 32),
    client     text NOT NULL,
    address    text NOT NULL DEFAULT '',
    asked      text[],
    interval_s integer NOT NULL CHECK (interval_s BETWEEN 1 AND 600),
    next_at    timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    decision   text CHECK (decision IN ('allowed', 'denied')),
    tenant_id  text COLLATE "C" REFERENCES tenants (id),
    user_id    text COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
    scopes     text[] CHECK (cardinality(scopes) > 0),
    namespaces text[],
    CHECK (decision IS DISTINCT FROM 'allowed' OR (tenant_id IS NOT NULL AND user_id IS NOT NULL))
);

CREATE INDEX device_codes_over ON device_codes (expires_at);

ALTER TABLE device_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_codes FORCE ROW LEVEL SECURITY;
CREATE POLICY nobodys ON device_codes USING ((SELECT current_setting('fairlead.tenant', true)) = '*');

-- Wrong codes that somebody typed lately.
CREATE TABLE device_guesses (
    user_id text COLLATE "C" PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    count   integer NOT NULL,
    since   timestamptz NOT NULL
);

ALTER TABLE device_guesses ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_guesses FORCE ROW LEVEL SECURITY;
CREATE POLICY nobodys ON device_guesses USING ((SELECT current_setting('fairlead.tenant', true)) = '*');
