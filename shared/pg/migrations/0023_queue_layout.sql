-- Into how many shards the queue is laid out: one row, and it only grows.
CREATE TABLE queue_layout (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    shards integer NOT NULL CHECK (shards >= 1)
);

INSERT INTO queue_layout (shards) VALUES (1);
