-- Indexes that list what a tenant has are only for statements that say so (tenant_id <> ''): for one
-- that looks up a row, the checks of foreign keys among them, the way through all of a tenant's rows
-- is as good as its key when the plan is made of a small table, and it is kept when that has grown.
DROP INDEX tasks_list; -- of no statement
DROP INDEX sessions_list, sessions_by_state, log_segments_age;
CREATE INDEX sessions_list ON sessions (tenant_id, created_at DESC, id DESC) WHERE tenant_id <> '';
CREATE INDEX sessions_by_state ON sessions (tenant_id, state, created_at DESC, id DESC)
    WHERE tenant_id <> '';
CREATE INDEX log_segments_age ON log_segments (tenant_id, last_ts) WHERE tenant_id <> '';

-- A session's task is of its tenant, and a key's tenant is the one of whoever asked.
ALTER TABLE sessions DROP CONSTRAINT sessions_tenant_id_fkey;
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_tenant_id_fkey;

-- A row is marked as queued where it is.
ALTER TABLE sessions SET (fillfactor = 60);
