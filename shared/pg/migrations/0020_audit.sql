-- Who did what: a chain of rows for each tenant, and one, called '.', for what is of no tenant.  The table
-- of 0001 was never written; this one takes its place.  hash is BLAKE2b-256 over all of a row but seq and
-- over prev_hash (audit/audit.h); audit_heads says where each chain ends, with a MAC under a key that is
-- not in the database.
DROP TABLE audit;

CREATE TABLE audit (
    seq        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    tenant_id  text COLLATE "C" NOT NULL,
    n          bigint NOT NULL CHECK (n > 0),
    at         timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor      text COLLATE "C" NOT NULL,
    actor_name text NOT NULL,
    address    text NOT NULL,
    agent      text NOT NULL,
    action     text COLLATE "C" NOT NULL,
    object     text COLLATE "C" NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('done', 'denied', 'failed')),
    request_id text NOT NULL,
    detail     text NOT NULL CHECK (octet_length(detail) <= 4096 AND detail::jsonb IS NOT NULL),
    prev_hash  bytea NOT NULL,
    hash       bytea NOT NULL,
    PRIMARY KEY (tenant_id, n)
);

CREATE INDEX audit_list ON audit (tenant_id, seq DESC);

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE audit_heads (
    tenant_id text COLLATE "C" PRIMARY KEY,
    n         bigint NOT NULL,
    hash      bytea NOT NULL,
    mac       bytea NOT NULL
);

CREATE TRIGGER audit_heads_stay BEFORE DELETE OR TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- Signed answers to permission requests: each nonce counts once. Rows matter for a minute.
CREATE TABLE approval_nonces (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    session_id text COLLATE "C" NOT NULL,
    nonce      text COLLATE "C" NOT NULL,
    used_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, nonce)
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['audit', 'audit_heads', 'approval_nonces']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I USING ('
                       'tenant_id = (SELECT current_setting(''fairlead.tenant'', true)) '
                       'OR (SELECT current_setting(''fairlead.tenant'', true)) = ''*'')', t);
    END LOOP;
END $$;
