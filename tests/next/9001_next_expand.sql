-- phase: expand
-- What the next version has more: a column that it fills, which the version before knows nothing of.
ALTER TABLE tasks ADD COLUMN next_note text NOT NULL DEFAULT 'of either version';
