-- params: user id
-- returns: provider; that of the last login, no row without one
SELECT provider FROM identities WHERE user_id = $1::text ORDER BY used_at DESC LIMIT 1
