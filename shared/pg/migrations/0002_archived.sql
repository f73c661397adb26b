-- When the log of an ended session was archived to its end and this row reflects all of it: from then
-- on nobody has to look at the session again.
ALTER TABLE sessions ADD COLUMN archived_at timestamptz;

-- What the archiver walks.
CREATE INDEX sessions_unarchived ON sessions (id) WHERE archived_at IS NULL;
