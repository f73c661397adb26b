-- What sessions used, as their logs have it: a projection, made by who follows the logs.  One row for
-- each session, day, model and source of the amount; what tenants spent outlives their sessions, so
-- nothing here refers to them.  nano_usd: billionths of a dollar, null: no price was known.
-- (epoch, n): the last event of the log that the row counts.
ALTER TABLE sessions ADD COLUMN root_id text COLLATE "C"; -- the first of a chain of retries; null: itself
CREATE TABLE usage_ledger (
    session_id text COLLATE "C" NOT NULL,
    day        date NOT NULL,
    model      text COLLATE "C" NOT NULL,
    source     text NOT NULL CHECK (source IN ('agent', 'table', 'unknown')),
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    project_id text COLLATE "C" NOT NULL DEFAULT '',
    owner      text COLLATE "C" NOT NULL,
    namespace  text NOT NULL DEFAULT '',
    root_id    text COLLATE "C" NOT NULL,
    agent      text NOT NULL,
    input_tokens       bigint NOT NULL DEFAULT 0,
    output_tokens      bigint NOT NULL DEFAULT 0,
    cache_read_tokens  bigint NOT NULL DEFAULT 0,
    cache_write_tokens bigint NOT NULL DEFAULT 0,
    reasoning_tokens   bigint NOT NULL DEFAULT 0,
    nano_usd   bigint,
    epoch      bigint NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (session_id, day, model, source)
);
CREATE INDEX usage_ledger_by_day ON usage_ledger (tenant_id, day);
CREATE INDEX usage_ledger_by_root ON usage_ledger (tenant_id, root_id);

-- What models cost: nano USD per 1000 tokens. Rows stand before what the programs have built in.
CREATE TABLE prices (
    model       text COLLATE "C" PRIMARY KEY CHECK (octet_length(model) BETWEEN 1 AND 128),
    input       bigint NOT NULL CHECK (input >= 0),
    output      bigint NOT NULL CHECK (output >= 0),
    cache_read  bigint NOT NULL CHECK (cache_read >= 0),
    cache_write bigint NOT NULL CHECK (cache_write >= 0),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE usage_ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_ledger USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
