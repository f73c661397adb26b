-- params: id
-- returns: nothing; no row is affected when there is none
DELETE FROM issuers WHERE id = $1::text
