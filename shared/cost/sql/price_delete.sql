-- params: model
-- returns: its model, if it was there
DELETE FROM prices WHERE model = $1::text RETURNING model
