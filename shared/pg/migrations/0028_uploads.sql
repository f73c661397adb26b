-- What people attach to prompts.  The bytes of a content are rows of a bounded size, so that any
-- node has them and none needs a disk for them.  sha256 NULL: it is still coming in, and its size is
-- what was reserved for it.  The same bytes are kept once for each tenant, never across tenants.
CREATE TABLE upload_contents (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         text COLLATE "C" NOT NULL,
    sha256     bytea CHECK (octet_length(sha256) = 32),
    size       bigint NOT NULL CHECK (size >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sha256)
);

CREATE TABLE upload_chunks (
    tenant_id  text COLLATE "C" NOT NULL,
    content_id text COLLATE "C" NOT NULL,
    n          integer NOT NULL CHECK (n >= 0),
    bytes      bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 262144),
    PRIMARY KEY (tenant_id, content_id, n),
    FOREIGN KEY (tenant_id, content_id) REFERENCES upload_contents (tenant_id, id) ON DELETE CASCADE
);
-- Pictures and archives do not get smaller.
ALTER TABLE upload_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE uploads (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         text COLLATE "C" NOT NULL,
    content_id text COLLATE "C" NOT NULL,
    name       text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    media_type text NOT NULL CHECK (octet_length(media_type) BETWEEN 3 AND 127),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, content_id) REFERENCES upload_contents (tenant_id, id)
);
CREATE INDEX uploads_content ON uploads (tenant_id, content_id);
CREATE INDEX uploads_used ON uploads (used_at);

ALTER TABLE upload_contents ENABLE ROW LEVEL SECURITY;
ALTER TABLE upload_contents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON upload_contents USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
ALTER TABLE upload_chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE upload_chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON upload_chunks USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE uploads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON uploads USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');
