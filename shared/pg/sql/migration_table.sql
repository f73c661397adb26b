-- params: none
-- returns: nothing
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    sha1       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
