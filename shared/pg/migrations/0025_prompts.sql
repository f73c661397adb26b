-- A prompt that waits can be taken back.
ALTER TABLE commands DROP CONSTRAINT commands_state_check;
ALTER TABLE commands ADD CONSTRAINT commands_state_check CHECK (state IN (
    'queued', 'started', 'done', 'unknown', 'failed', 'expired', 'cancelled'));
