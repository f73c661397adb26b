-- Who works with an installation.  A user is a person or a service (a program with keys of its own)
-- and is known everywhere by its id; what it may do in a tenant its membership there says.
--
-- home_id: the tenant that made the user, whose admins may rename and disable it; others only end
-- its membership with them.  system: may do what concerns all tenants.
CREATE TABLE users (
    id          text COLLATE "C" PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('person', 'service')),
    name        text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 128),
    email       text COLLATE "C" UNIQUE CHECK (email = lower(email) AND octet_length(email) BETWEEN 3 AND 254),
    home_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    system      boolean NOT NULL DEFAULT false CHECK (NOT system OR kind = 'person'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

-- namespaces: NULL means all of them.
CREATE TABLE memberships (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id    text COLLATE "C" NOT NULL REFERENCES users (id),
    role       text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    namespaces text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);

CREATE INDEX memberships_by_user ON memberships (user_id);

ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON memberships USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');

-- A tenant sees its members, and nobody else.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY member ON users USING (
    (SELECT current_setting('fairlead.tenant', true)) = '*'
    OR EXISTS (SELECT 1 FROM memberships m
               WHERE m.user_id = users.id
                 AND m.tenant_id = (SELECT current_setting('fairlead.tenant', true))));

-- owner_id: the user that a key acts for; it can do no more than that user's role in the tenant, and
-- nothing once that is gone.  env: the word in the key.  replaces: the key that this one was
-- rotated from; no reference, so that the record outlives it.  created_by: the principal.
ALTER TABLE api_keys
    ADD COLUMN owner_id   text COLLATE "C" REFERENCES users (id),
    ADD COLUMN env        text NOT NULL DEFAULT 'live' CHECK (env ~ '^[a-z0-9]{1,16}$'),
    ADD COLUMN replaces   text COLLATE "C",
    ADD COLUMN created_by text;

CREATE INDEX api_keys_by_owner ON api_keys (owner_id) WHERE owner_id IS NOT NULL;

-- Until now admin was everything, and such keys were made on the host: they stay what they are.
UPDATE api_keys SET scopes = scopes || '{system}' WHERE 'admin' = ANY (scopes);
