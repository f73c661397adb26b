-- params: none
-- returns: name, value of the settings that decide whether a commit survives a power cut
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
ORDER BY name
