-- Who is told of what happens: subscriptions. project_id '': of all projects. Secrets are made of the
-- installation's and secret_n; for a while after rotated_at the one before signs too.
CREATE TABLE webhooks (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    project_id text COLLATE "C" NOT NULL DEFAULT '',
    name       text NOT NULL DEFAULT '',
    url        text NOT NULL CHECK (octet_length(url) BETWEEN 1 AND 2048),
    events     text[] NOT NULL,
    secret_n   integer NOT NULL DEFAULT 1,
    rotated_at timestamptz,
    state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'disabled')),
    reason     text NOT NULL DEFAULT '',
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_tenant ON webhooks (tenant_id, id);

-- What signs the webhooks that tasks name; none: the first.
CREATE TABLE webhook_task_secrets (
    tenant_id  text COLLATE "C" PRIMARY KEY REFERENCES tenants (id),
    secret_n   integer NOT NULL,
    rotated_at timestamptz NOT NULL DEFAULT now()
);

-- What there is to tell, and how it went. The id is made of what happened and who is told, so that it is told
-- once whoever saw it. endpoint: the id of a subscription, or a digest of the address that a task names.
-- What has one lane is told in the order of seq.
CREATE TABLE webhook_messages (
    id            text COLLATE "C" PRIMARY KEY,
    seq           bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    endpoint      text COLLATE "C" NOT NULL,
    webhook_id    text COLLATE "C" REFERENCES webhooks (id) ON DELETE CASCADE,
    url           text,
    lane          text COLLATE "C" NOT NULL,
    type          text NOT NULL,
    at            timestamptz NOT NULL,
    task_id       text COLLATE "C",
    session_id    text COLLATE "C",
    project_id    text COLLATE "C" NOT NULL DEFAULT '',
    cursor        text,
    data          text,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts      integer NOT NULL DEFAULT 0,
    since         timestamptz NOT NULL DEFAULT now(),
    next_at       timestamptz NOT NULL DEFAULT now(),
    sending_until timestamptz,
    status        integer,
    error         text NOT NULL DEFAULT '',
    tries         jsonb NOT NULL DEFAULT '[]',
    ended_at      timestamptz,
    CHECK ((webhook_id IS NULL) = (url IS NOT NULL))
);
CREATE INDEX webhook_messages_due ON webhook_messages (endpoint, next_at) WHERE state = 'waiting';
CREATE INDEX webhook_messages_lane ON webhook_messages (endpoint, lane, seq) WHERE state = 'waiting';
CREATE INDEX webhook_messages_sending ON webhook_messages (endpoint, sending_until)
    WHERE state = 'waiting' AND sending_until IS NOT NULL;
CREATE INDEX webhook_messages_tenant ON webhook_messages (tenant_id, seq);
CREATE INDEX webhook_messages_webhook ON webhook_messages (webhook_id, seq);
CREATE INDEX webhook_messages_dead ON webhook_messages (tenant_id, seq) WHERE state = 'dead';
CREATE INDEX webhook_messages_ended ON webhook_messages (ended_at) WHERE state <> 'waiting';

-- Those that did not take what they were last told: after some failures in a row one rests.
CREATE TABLE webhook_endpoints (
    endpoint      text COLLATE "C" PRIMARY KEY,
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    failures      integer NOT NULL,
    failing_since timestamptz NOT NULL DEFAULT now(),
    rest_until    timestamptz NOT NULL
);

ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhooks USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
ALTER TABLE webhook_task_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_task_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_task_secrets USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
ALTER TABLE webhook_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_messages USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
ALTER TABLE webhook_endpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_endpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_endpoints USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
