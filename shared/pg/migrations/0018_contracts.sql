-- Contracts that agents work with: a tenant's own list.
CREATE TABLE contracts (
    tenant_id              text COLLATE "C" NOT NULL REFERENCES tenants (id),
    chain_id               bigint NOT NULL CHECK (chain_id > 0),
    address                text COLLATE "C" NOT NULL CHECK (octet_length(address) BETWEEN 1 AND 128),
    chain                  text,
    name                   text NOT NULL DEFAULT 'Unknown',
    symbol                 text,
    protocol               text,
    contract_type          text,
    version                text,
    implementation_address text,
    description            text,
    is_proxy               boolean NOT NULL DEFAULT false,
    source_code            text,
    abi                    text,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, chain_id, address)
);

CREATE INDEX contracts_list ON contracts (tenant_id, updated_at DESC, chain_id, address);

ALTER TABLE contracts ENABLE ROW LEVEL SECURITY;
ALTER TABLE contracts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON contracts USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');

-- A chat may be given to somebody else; its parts go along.
ALTER TABLE chat_sessions
    DROP CONSTRAINT chat_sessions_tenant_id_owner_name_fkey,
    ADD FOREIGN KEY (tenant_id, owner, name) REFERENCES chats (tenant_id, owner, name)
        ON UPDATE CASCADE ON DELETE CASCADE;
