-- How many sessions may have a lease at a time, and the weights of tenants: what operators said. Redis
-- has a copy that schedulers keep (docs/operating.md). tenant_id '': of every tenant that has none of
-- its own; name '': of the tenant itself; value null: not limited any more. version orders changes.
CREATE SEQUENCE limit_versions;
CREATE TABLE limits (
    tenant_id text COLLATE "C" NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('tenant', 'user', 'project', 'agent', 'key', 'weight')),
    name      text COLLATE "C" NOT NULL,
    value     bigint CHECK (value BETWEEN 0 AND 1000000),
    version   bigint NOT NULL,
    PRIMARY KEY (tenant_id, kind, name)
);
CREATE INDEX limits_changed ON limits (version);
ALTER TABLE limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE limits FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON limits USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
