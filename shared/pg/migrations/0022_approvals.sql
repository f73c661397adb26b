-- Questions of agents to people, as the sessions' logs have them: a projection, made by who follows
-- the logs.  question: the data of permission_request, JSON.  held: its agent made room and will ask
-- again.
CREATE TABLE approvals (
    session_id  text COLLATE "C" NOT NULL,
    request_id  text COLLATE "C" NOT NULL CHECK (octet_length(request_id) BETWEEN 1 AND 256),
    tenant_id   text COLLATE "C" NOT NULL,
    epoch       bigint NOT NULL,
    n           bigint NOT NULL,
    tool        text NOT NULL DEFAULT '',
    question    text NOT NULL,
    state       text NOT NULL DEFAULT 'open'
                CHECK (state IN ('open', 'allowed', 'denied', 'withdrawn', 'expired')),
    held        boolean NOT NULL DEFAULT false,
    asked_at    timestamptz NOT NULL,
    expires_at  timestamptz,
    answered_by text,
    answered_at timestamptz,
    scope       text,
    rule_id     text COLLATE "C",
    command_id  text COLLATE "C",
    PRIMARY KEY (session_id, request_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX approvals_list ON approvals (tenant_id, asked_at DESC, session_id DESC, request_id DESC);
CREATE INDEX approvals_open ON approvals (tenant_id, asked_at DESC, session_id DESC, request_id DESC)
    WHERE state = 'open';
CREATE INDEX approvals_by_request ON approvals (tenant_id, request_id);
CREATE INDEX approvals_due ON approvals (expires_at) WHERE state = 'open';

-- What answers for people. '' fits anything.
CREATE TABLE approval_rules (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    project_id text COLLATE "C" NOT NULL DEFAULT '',
    owner      text COLLATE "C" NOT NULL DEFAULT '',
    allow      boolean NOT NULL,
    tool       text COLLATE "C" NOT NULL DEFAULT '',
    command    text COLLATE "C" NOT NULL DEFAULT '',
    path       text COLLATE "C" NOT NULL DEFAULT '',
    host       text COLLATE "C" NOT NULL DEFAULT '',
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX approval_rules_same ON approval_rules
    (tenant_id, project_id, owner, allow, tool, md5(command), md5(path), md5(host));

ALTER TABLE approvals ENABLE ROW LEVEL SECURITY;
ALTER TABLE approvals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON approvals USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
ALTER TABLE approval_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE approval_rules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON approval_rules USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
