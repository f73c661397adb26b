-- params: none
-- returns: whether there is, or was, somebody with system
SELECT EXISTS (SELECT 1 FROM users WHERE system) OR EXISTS (SELECT 1 FROM setup WHERE done_at IS NOT NULL)
