-- params: none
-- returns: nothing
BEGIN
