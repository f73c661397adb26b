-- params: when (us)
-- returns: nothing; keys that would sign after that sign until then, and what had not begun goes
WITH gone AS (
    DELETE FROM signing_keys
    WHERE activates_at >= 'epoch'::timestamptz + $1::bigint * interval '1 microsecond')
UPDATE signing_keys SET retires_at = 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'
WHERE retires_at > 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'
  AND activates_at < 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'
