-- phase: expand
-- Who runs: a row for each process that has PostgreSQL, renewed while it lives.
CREATE TABLE nodes (
    id         text COLLATE "C" PRIMARY KEY,
    program    text NOT NULL,
    version    text NOT NULL,
    protocol   integer NOT NULL CHECK (protocol >= 1),
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now()
);

-- What a process has to speak at least: one row, and it only grows, with migrations of the phase contract.
CREATE TABLE schema_version (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    min_compatible integer NOT NULL CHECK (min_compatible >= 1)
);
INSERT INTO schema_version (min_compatible) VALUES (1);
