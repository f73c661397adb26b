-- params: none
-- returns: name, whether it is drained; of all workers that get no new sessions
SELECT name, drain
FROM worker_cordons
ORDER BY name
