-- params: none
-- returns: nothing
COMMIT
