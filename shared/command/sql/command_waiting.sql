-- params: session ids (comma list)
-- returns: those for which a command is queued
SELECT DISTINCT session_id
FROM commands
WHERE session_id = ANY (string_to_array($1::text, ',')) AND state = 'queued'
