-- params: session ids (comma list)
-- (the subquery: so that one plan is good for all lists)
-- returns: those for which a command is queued
SELECT DISTINCT session_id
FROM commands
WHERE session_id = ANY (ARRAY(SELECT unnest(string_to_array($1::text, ',')))) AND state = 'queued'
