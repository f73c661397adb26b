-- What is queued, first what may start first: the queue is filled again in this order after a loss of Redis.
CREATE INDEX sessions_waiting ON sessions ((-priority), id) WHERE state = 'queued';
