-- params: tenant id, or '*' for all
-- returns: one row; the setting ends with the transaction
SELECT set_config('fairlead.tenant', $1::text, true)
