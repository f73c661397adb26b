-- params: user id, for how long they count (s)
-- returns: how many codes that user has tried lately, this one included
INSERT INTO device_guesses AS g (user_id, count, since)
VALUES ($1::text, 1, now())
ON CONFLICT (user_id) DO UPDATE SET
    count = CASE WHEN g.since < now() - $2::bigint * interval '1 second' THEN 1 ELSE g.count + 1 END,
    since = CASE WHEN g.since < now() - $2::bigint * interval '1 second' THEN now() ELSE g.since END
RETURNING count
