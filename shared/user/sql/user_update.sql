-- params: tenant id, id, name, system, disabled
-- returns: nothing; no row is affected when the tenant is not its home
UPDATE users
SET name = $3::text, system = $4::boolean,
    disabled_at = CASE WHEN $5::boolean THEN coalesce(disabled_at, now()) END
WHERE home_id = $1::text AND id = $2::text
