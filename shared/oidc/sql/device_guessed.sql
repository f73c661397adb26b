-- params: user id
-- returns: nothing; the last one was right
UPDATE device_guesses SET count = greatest(count - 1, 0) WHERE user_id = $1::text
