-- The whole domain that outlives Redis.  Ids are ULIDs made by the programs (base/id.h).
--
-- Tenancy: every table with a tenant has row level security, forced, so that it holds for the
-- owning role too.  A transaction names its tenant in fairlead.tenant; '*' is for duties that
-- work across tenants; unset or empty sees nothing, because no tenant can be called '' or '*'.
-- Foreign keys between tenants' tables carry the tenant, since the checks of PostgreSQL bypass
-- row level security.
--
-- No index here uses an operator that is not leakproof (@> on jsonb, && on arrays): under row
-- level security the planner may not use such an index for the programs' role.

CREATE TABLE tenants (
    id          text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z_-]{1,64}$'),
    name        text NOT NULL UNIQUE CHECK (name <> ''),
    weight      integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000000),
    settings    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

CREATE TABLE projects (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name       text NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, name)
);

-- hash: keyed BLAKE2b of the key; the key itself is shown once and stored nowhere.
-- namespaces: NULL means all of them.
CREATE TABLE api_keys (
    id           text COLLATE "C" PRIMARY KEY,
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name         text NOT NULL,
    hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) BETWEEN 16 AND 64),
    scopes       text[] NOT NULL DEFAULT '{}',
    namespaces   text[],
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    UNIQUE (tenant_id, id)
);

CREATE INDEX api_keys_list ON api_keys (tenant_id, created_at DESC, id DESC);

-- created_by: the principal, usually a key's id; no reference, so that the record outlives the key.
CREATE TABLE tasks (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    project_id text COLLATE "C",
    namespace  text NOT NULL DEFAULT '',
    created_by text NOT NULL,
    prompt     jsonb,
    repo       jsonb,
    runtime    jsonb,
    agents     jsonb NOT NULL,
    delivery   jsonb,
    labels     jsonb NOT NULL DEFAULT '{}',
    webhooks   jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id)
);

CREATE INDEX tasks_list ON tasks (tenant_id, created_at DESC, id DESC);

-- (epoch, n): the position in the log of the last event that this row reflects.  An update that
-- brings an older position is late and must change nothing.
CREATE TABLE sessions (
    id           text COLLATE "C" PRIMARY KEY,
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    task_id      text COLLATE "C" NOT NULL,
    project_id   text COLLATE "C",
    namespace    text NOT NULL DEFAULT '',
    agent        jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'queued' CHECK (state IN (
                     'queued', 'provisioning', 'running', 'pausing', 'paused', 'resuming',
                     'stopping', 'stopped', 'completed', 'failed', 'cancelled')),
    epoch        bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0 AND epoch < 100000000000000),
    n            bigint NOT NULL DEFAULT 0 CHECK (n >= 0),
    exit_code    integer,
    reason       text,
    priority     integer NOT NULL DEFAULT 0,
    labels       jsonb NOT NULL DEFAULT '{}',
    retry_of     text COLLATE "C",
    attempts     integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts integer NOT NULL DEFAULT 1 CHECK (max_attempts >= 1),
    worker_id    text COLLATE "C",
    not_before   timestamptz,
    deadline     timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    queued_at    timestamptz,
    started_at   timestamptz,
    ended_at     timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    changes      jsonb,
    workspace    jsonb,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, task_id) REFERENCES tasks (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id),
    FOREIGN KEY (tenant_id, retry_of) REFERENCES sessions (tenant_id, id)
);

CREATE INDEX sessions_list ON sessions (tenant_id, created_at DESC, id DESC);
CREATE INDEX sessions_by_state ON sessions (tenant_id, state, created_at DESC, id DESC);
CREATE INDEX sessions_by_task ON sessions (task_id);
CREATE INDEX sessions_by_retry ON sessions (retry_of) WHERE retry_of IS NOT NULL;
-- What the reconciler walks: the living ones, in id order.
CREATE INDEX sessions_live ON sessions (id)
    WHERE state NOT IN ('stopped', 'completed', 'failed', 'cancelled');

-- What log_open leaves: the first n of each epoch, for rebuilding a lost log.
CREATE TABLE session_epochs (
    session_id text COLLATE "C" NOT NULL,
    epoch      bigint NOT NULL CHECK (epoch >= 0 AND epoch < 100000000000000),
    tenant_id  text COLLATE "C" NOT NULL,
    first_n    bigint NOT NULL CHECK (first_n >= 0),
    cause      text NOT NULL,
    worker_id  text COLLATE "C",
    generation bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, epoch),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

-- The archived part of a log.  bytes: the size of data before the codec.
CREATE TABLE log_segments (
    tenant_id   text COLLATE "C" NOT NULL,
    session_id  text COLLATE "C" NOT NULL,
    first_epoch bigint NOT NULL,
    first_n     bigint NOT NULL CHECK (first_n >= 0),
    last_epoch  bigint NOT NULL CHECK (last_epoch >= first_epoch),
    last_n      bigint NOT NULL CHECK (last_n >= first_n),
    first_ts    timestamptz NOT NULL,
    last_ts     timestamptz NOT NULL,
    event_count integer NOT NULL CHECK (event_count BETWEEN 1 AND last_n - first_n + 1),
    types       text[] NOT NULL DEFAULT '{}',
    codec       text NOT NULL,
    bytes       integer NOT NULL CHECK (bytes >= 0),
    checksum    bytea NOT NULL,
    data        bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, first_n),
    UNIQUE (session_id, last_n),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

-- Compressed by us already.
ALTER TABLE log_segments ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE commands (
    id          text COLLATE "C" PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL,
    session_id  text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    payload     jsonb NOT NULL DEFAULT '{}',
    state       text NOT NULL DEFAULT 'queued' CHECK (state IN (
                    'queued', 'started', 'done', 'unknown', 'failed', 'expired')),
    seq         bigint NOT NULL CHECK (seq >= 1),
    epoch       bigint NOT NULL DEFAULT 0,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz,
    result      jsonb,
    UNIQUE (session_id, seq),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX commands_open ON commands (session_id, seq) WHERE state IN ('queued', 'started');

-- Written in the transaction of the effect, so a row means: it happened, and this was the answer.
CREATE TABLE idempotency_keys (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    key          text COLLATE "C" NOT NULL,
    route        text NOT NULL,
    request_hash bytea NOT NULL,
    status       integer NOT NULL CHECK (status BETWEEN 100 AND 499),
    media_type   text NOT NULL DEFAULT 'application/json',
    response     bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE audit (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    ts        timestamptz NOT NULL DEFAULT now(),
    actor     text NOT NULL,
    action    text NOT NULL,
    object    text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}',
    prev_hash bytea NOT NULL,
    hash      bytea NOT NULL,
    -- A chain that forks is refused: each entry has one successor.
    UNIQUE (tenant_id, prev_hash)
);

CREATE INDEX audit_list ON audit (tenant_id, seq DESC);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- A Redis server's run id and its place in the order in which Fairlead first saw them.
CREATE TABLE redis_generations (
    run_id     text COLLATE "C" PRIMARY KEY CHECK (run_id <> ''),
    generation bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    seen_at    timestamptz NOT NULL DEFAULT now()
);

-- A record for people; what is true about a worker now is in Redis.
CREATE TABLE workers (
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    incarnation  text NOT NULL,
    labels       jsonb NOT NULL DEFAULT '{}',
    capabilities jsonb NOT NULL DEFAULT '{}',
    slots        integer NOT NULL DEFAULT 0 CHECK (slots >= 0),
    version      text NOT NULL DEFAULT '',
    first_seen   timestamptz NOT NULL DEFAULT now(),
    last_seen    timestamptz NOT NULL DEFAULT now()
);

-- The sub-selects make the setting a constant of the query instead of a call for every row.
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants USING (
    id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['projects', 'api_keys', 'tasks', 'sessions', 'session_epochs',
                             'log_segments', 'commands', 'idempotency_keys', 'audit']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I USING ('
                       'tenant_id = (SELECT current_setting(''fairlead.tenant'', true)) '
                       'OR (SELECT current_setting(''fairlead.tenant'', true)) = ''*'')', t);
    END LOOP;
END $$;
