-- mail_send: leave a note in a worker's mailbox, a ring, and ring its doorbell.
--
-- KEYS 1 {w:<worker>}:mail
-- ARGV 1 notes kept  2 bell channel  3 kind  4 incarnation  5 sid  6 epoch  7 attempt  8 body
-- returns the note's id
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[1], '*', 'k', ARGV[3], 'i', ARGV[4],
	's', ARGV[5], 'e', ARGV[6], 'a', ARGV[7], 'b', ARGV[8])
redis.call('PUBLISH', ARGV[2], id)
return id
