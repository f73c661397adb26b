-- Whose task it is (the key's owner, else the key), the labels that its workers must or should have,
-- and a text: of the sessions with the same one only some run at a time.
ALTER TABLE tasks
    ADD COLUMN owner           text NOT NULL DEFAULT '',
    ADD COLUMN workers         jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN concurrency_key text;

-- queue_after: the session or task that must have ended first; after_met_at: when that was seen.
-- failures: attempts that failed and were followed by another.
ALTER TABLE sessions
    ADD COLUMN queue_after  text COLLATE "C",
    ADD COLUMN after_met_at timestamptz,
    ADD COLUMN failures     integer NOT NULL DEFAULT 0 CHECK (failures >= 0);

-- What waits for something else to end, and what must have started or ended by some time.
CREATE INDEX sessions_after ON sessions (queue_after, id)
    WHERE queue_after IS NOT NULL AND after_met_at IS NULL;
CREATE INDEX sessions_deadline ON sessions (deadline, id)
    WHERE deadline IS NOT NULL AND state NOT IN ('stopped', 'completed', 'failed', 'cancelled');
