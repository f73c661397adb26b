-- What agents get by name, sealed with a key that is not here. project_id '': for all projects.
CREATE TABLE secrets (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    project_id text COLLATE "C" NOT NULL DEFAULT '',
    name       text COLLATE "C" NOT NULL CHECK (name ~ '^[A-Z_][A-Z0-9_]*$' AND octet_length(name) <= 64),
    sealed     bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz,
    PRIMARY KEY (tenant_id, project_id, name)
);

ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON secrets USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
