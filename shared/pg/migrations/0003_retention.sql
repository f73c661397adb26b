-- What a segment holds, so that filtered pages need not open it: counts[i] events are of types[i].
-- Beside the types there are 'output' for log events of a process's output, which 'log' leaves out,
-- 'log:LEVEL' and 'output:LEVEL', and 'other' for types that were not known; '{}' means that nobody
-- counted.
ALTER TABLE log_segments ADD COLUMN counts integer[] NOT NULL DEFAULT '{}';

-- Seconds that a tenant's logs are kept after they were written: NULL, the setting; 0, for ever.
ALTER TABLE tenants ADD COLUMN retention_s bigint CHECK (retention_s >= 0);

-- Retention has removed this session's log through there.
ALTER TABLE sessions
    ADD COLUMN removed_epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN removed_n     bigint NOT NULL DEFAULT 0;

-- What retention walks.
CREATE INDEX log_segments_age ON log_segments (tenant_id, last_ts);
CREATE INDEX sessions_ended ON sessions (tenant_id, ended_at) WHERE archived_at IS NOT NULL;

-- A session that is removed is not kept by its retries.
ALTER TABLE sessions DROP CONSTRAINT sessions_tenant_id_retry_of_fkey;
ALTER TABLE sessions ADD FOREIGN KEY (tenant_id, retry_of) REFERENCES sessions (tenant_id, id)
    ON DELETE SET NULL (retry_of);
