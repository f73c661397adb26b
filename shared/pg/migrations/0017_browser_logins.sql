-- Passwords of people.  stored: argon2id with its own cost and salt.
CREATE TABLE passwords (
    user_id    text COLLATE "C" PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    stored     text NOT NULL CHECK (octet_length(stored) BETWEEN 1 AND 127),
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Codes that set a password once, given out by an administrator.  hash: keyed with the pepper.
CREATE TABLE password_codes (
    user_id    text COLLATE "C" PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Logins of browsers.  hash: of what the cookie has beside the id.  role and system: what the user was
-- when it logged in; a login never has more than that, so a greater right comes with a new cookie.
-- idle: how long without use, which idle_at follows.
CREATE TABLE logins (
    id             text COLLATE "C" PRIMARY KEY,
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id        text COLLATE "C" NOT NULL REFERENCES users (id),
    hash           bytea NOT NULL CHECK (octet_length(hash) = 32),
    role           text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    system         boolean NOT NULL,
    means          text NOT NULL,
    agent          text NOT NULL DEFAULT '',
    address        text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    used_at        timestamptz NOT NULL DEFAULT now(),
    idle           interval NOT NULL,
    idle_at        timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text,
    UNIQUE (tenant_id, id)
);

CREATE INDEX logins_by_user ON logins (user_id, created_at DESC) WHERE revoked_at IS NULL;
CREATE INDEX logins_over ON logins (expires_at);

ALTER TABLE logins ENABLE ROW LEVEL SECURITY;
ALTER TABLE logins FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON logins USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');

-- A tenant touches what its members have, and nobody else's.
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['passwords', 'password_codes']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY member ON %I USING ('
                       '(SELECT current_setting(''fairlead.tenant'', true)) = ''*'' '
                       'OR EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = %I.user_id '
                       'AND m.tenant_id = (SELECT current_setting(''fairlead.tenant'', true))))', t, t);
    END LOOP;
END $$;

-- The first administrator: whoever shows the PIN. One row at most; hash: keyed with the pepper.
CREATE TABLE setup (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
    attempts   integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    done_at    timestamptz
);
