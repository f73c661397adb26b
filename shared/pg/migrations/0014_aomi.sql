-- A namespace names the agent that answers in it.  agent: as in the body of a task.  One that is
-- open may be used without a key: everybody who knows the id of a chat has that chat, so its name
-- belongs to one tenant.
CREATE TABLE namespaces (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name       text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9._-]{1,64}$'),
    agent      jsonb NOT NULL,
    is_open    boolean NOT NULL DEFAULT false,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);

CREATE UNIQUE INDEX namespaces_open ON namespaces (name) WHERE is_open;

-- What a client of the AOMI surface calls a session: one conversation, under a name of the client's
-- own, that sessions of ours carry on one after the other.  owner: "user:<id>", "owner:<name>" or
-- "key:<id>", and '' for those without a key: then name is a keyed digest of the client's, since
-- knowing it is all that it takes.
CREATE TABLE chats (
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    owner          text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL CHECK (name <> ''),
    namespace      text COLLATE "C" NOT NULL,
    part           integer NOT NULL DEFAULT 0 CHECK (part >= 0),
    session_id     text COLLATE "C",
    title          text NOT NULL DEFAULT 'New Chat',
    is_user_title  boolean NOT NULL DEFAULT false,
    is_archived    boolean NOT NULL DEFAULT false,
    memory_mode    boolean NOT NULL DEFAULT false,
    client_state   jsonb,
    rig            text,
    baml           text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    last_active_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, owner, name)
);

CREATE INDEX chats_list ON chats (tenant_id, owner, last_active_at DESC, name);
CREATE UNIQUE INDEX chats_of_guests ON chats (name) WHERE owner = '';

-- Its sessions in their order: part 1, 2, 3...
CREATE TABLE chat_sessions (
    tenant_id  text COLLATE "C" NOT NULL,
    owner      text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    part       integer NOT NULL CHECK (part >= 1),
    session_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, owner, name, part),
    FOREIGN KEY (tenant_id, owner, name) REFERENCES chats (tenant_id, owner, name) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX chat_sessions_of ON chat_sessions (tenant_id, session_id);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['namespaces', 'chats', 'chat_sessions']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I USING ('
                       'tenant_id = (SELECT current_setting(''fairlead.tenant'', true)) '
                       'OR (SELECT current_setting(''fairlead.tenant'', true)) = ''*'')', t);
    END LOOP;
END $$;
