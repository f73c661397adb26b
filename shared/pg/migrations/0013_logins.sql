-- key_id: the key that began the login, and ends it when it ends; NULL: it was begun otherwise.
-- namespaces: those that the key was limited to; NULL: none but the user's.
ALTER TABLE refresh_tokens
    ADD COLUMN key_id     text COLLATE "C",
    ADD COLUMN namespaces text[];
