-- Commits that wait to become a branch of a user's repository.  They do when their session has ended
-- well, which happens once; a later lease or attempt makes an earlier one void.
CREATE TABLE deliveries (
    session_id text COLLATE "C" NOT NULL,
    epoch      bigint NOT NULL CHECK (epoch >= 0 AND epoch < 100000000000000),
    tenant_id  text COLLATE "C" NOT NULL,
    ref        text NOT NULL,
    commit_id  text NOT NULL,
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN (
                   'waiting', 'done', 'failed', 'superseded', 'dropped')),
    reason     text NOT NULL DEFAULT '',
    asked      integer NOT NULL DEFAULT 0,
    next_at    timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    PRIMARY KEY (session_id, epoch),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX deliveries_waiting ON deliveries (next_at) WHERE state = 'waiting';

ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON deliveries USING (
    tenant_id = (SELECT current_setting('fairlead.tenant', true))
    OR (SELECT current_setting('fairlead.tenant', true)) = '*');

-- Workers by name that get no new sessions, whichever life or machine they are in.  drain: those
-- they have go elsewhere too.
CREATE TABLE worker_cordons (
    name       text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 64),
    drain      boolean NOT NULL,
    by         text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
