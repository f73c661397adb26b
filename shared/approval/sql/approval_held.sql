-- params: tenant id, session id, whether they are held
-- returns: nothing; the agent that asks makes room, or is there again
UPDATE approvals SET held = $3::boolean
WHERE (tenant_id = $1::text) IS TRUE AND session_id = $2::text AND (state = 'open') IS TRUE AND held <> $3::boolean
