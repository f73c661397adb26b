-- Schedules: when a task is made again.  task is the body of POST /api/v1/tasks; project
-- and namespace are the task's.  next_at NULL: never again.  anchor_at: where intervals
-- are counted from.  caught_up: late times that ran in a row.
CREATE TABLE schedules (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name       text NOT NULL DEFAULT '',
    project_id text COLLATE "C",
    namespace  text NOT NULL DEFAULT '',
    created_by text NOT NULL,
    owner      text,
    cron       text,
    every_s    bigint CHECK (every_s >= 1),
    at         timestamptz,
    timezone   text NOT NULL DEFAULT 'UTC',
    anchor_at  timestamptz NOT NULL,
    overlap    text NOT NULL CHECK (overlap IN ('skip', 'queue', 'cancel')),
    catch_up   text NOT NULL CHECK (catch_up IN ('none', 'one', 'all')),
    task       jsonb NOT NULL,
    next_at    timestamptz,
    paused_at  timestamptz,
    caught_up  integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(cron, every_s, at) = 1),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id)
);

CREATE INDEX schedules_list ON schedules (tenant_id, id DESC);
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL AND paused_at IS NULL;

-- What became of a time: one row for each, so that none is run twice.  The task may have been removed
-- since.
CREATE TABLE schedule_runs (
    schedule_id text COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL,
    tenant_id   text COLLATE "C" NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('ran', 'skipped', 'missed', 'failed')),
    task_id     text COLLATE "C",
    reason      text NOT NULL DEFAULT '',
    by_hand     boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schedule_id, at),
    FOREIGN KEY (tenant_id, schedule_id) REFERENCES schedules (tenant_id, id) ON DELETE CASCADE
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['schedules', 'schedule_runs']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I USING ('
                       'tenant_id = (SELECT current_setting(''fairlead.tenant'', true)) '
                       'OR (SELECT current_setting(''fairlead.tenant'', true)) = ''*'')', t);
    END LOOP;
END $$;
