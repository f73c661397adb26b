-- What a tenant, a project or a user may use in a day, in a month (UTC), or in all. null: no such limit.
-- name: '' of the tenant; of a user the owner of keys, or the id of a key without one.
CREATE TABLE budgets (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('tenant', 'project', 'user')),
    name        text COLLATE "C" NOT NULL CHECK (octet_length(name) <= 128 AND (name = '') = (kind = 'tenant')),
    period      text COLLATE "C" NOT NULL CHECK (period IN ('day', 'month', 'total')),
    soft_nano   bigint CHECK (soft_nano >= 0),
    hard_nano   bigint CHECK (hard_nano >= 0),
    soft_tokens bigint CHECK (soft_tokens >= 0),
    hard_tokens bigint CHECK (hard_tokens >= 0),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, kind, name, period)
);

-- What they used, by day: sums of usage_ledger that are made in the statement that adds to it, so that
-- each event is in both or in neither.
CREATE TABLE usage_days (
    tenant_id text COLLATE "C" NOT NULL,
    kind      text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    day       date NOT NULL,
    nano_usd  bigint NOT NULL DEFAULT 0,
    tokens    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, kind, name, day)
);
INSERT INTO usage_days (tenant_id, kind, name, day, nano_usd, tokens)
SELECT l.tenant_id, w.kind, w.name, l.day, coalesce(sum(l.nano_usd), 0),
       sum(l.input_tokens + l.output_tokens + l.cache_read_tokens + l.cache_write_tokens)
FROM usage_ledger l CROSS JOIN LATERAL (VALUES ('tenant', ''), ('project', l.project_id), ('user', l.owner)) w (kind, name)
WHERE (w.name = '') = (w.kind = 'tenant')
GROUP BY l.tenant_id, w.kind, w.name, l.day;

ALTER TABLE budgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE budgets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON budgets USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
ALTER TABLE usage_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_days FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_days USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
