-- params: session id, tenant id
-- returns: the highest epoch that is known and the generation of Redis it is of; no row: there is none
SELECT epoch, generation FROM session_epochs WHERE session_id = $1::text AND tenant_id = $2::text
ORDER BY epoch DESC LIMIT 1
