-- params: session ids (comma list)
-- returns: those for which a command is queued
-- (the subquery: so that one plan is good for all lists)
SELECT DISTINCT session_id
FROM commands
WHERE session_id = ANY (ARRAY(SELECT unnest(string_to_array($1::text, ',')))) AND state = 'queued'
