-- params: session id
-- returns: the highest epoch that is known, 0 when there is none
SELECT coalesce(max(epoch), 0) FROM session_epochs WHERE session_id = $1::text
