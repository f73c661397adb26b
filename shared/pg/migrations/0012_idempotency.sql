-- A key is one principal's: two users of a tenant do not see each other's answers. headers: lines of the answer, as
-- they were sent; sealed: the answer shows a secret, and is encrypted with a key that is not here.
ALTER TABLE idempotency_keys
    ADD COLUMN principal text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN headers text NOT NULL DEFAULT '',
    ADD COLUMN sealed boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT idempotency_keys_pkey,
    ADD PRIMARY KEY (tenant_id, principal, key);
