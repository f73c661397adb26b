-- mail_send: leave a note in a worker's mailbox, a ring, and ring its doorbell.
--
-- KEYS 1 {w:<worker>}:mail  2 {w:<worker>}:last, the id of its last note
-- ARGV 1 notes kept  2 bell channel  3 kind  4 incarnation  5 sid  6 epoch  7 attempt  8 body
-- rings "<id> <id of the note before, "-" not known>", and while the note is small also
--      "\n<kind>\n<incarnation>\n<sid>\n<epoch>\n<attempt>\n<body>": who has read the one before has it
-- returns the note's id
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[1], '*', 'k', ARGV[3], 'i', ARGV[4],
	's', ARGV[5], 'e', ARGV[6], 'a', ARGV[7], 'b', ARGV[8])
local ring = id .. ' ' .. (redis.call('GET', KEYS[2]) or '-')
redis.call('SET', KEYS[2], id)
if #ARGV[8] <= 8192 then ring = ring .. '\n' .. table.concat(ARGV, '\n', 3) end
redis.call('PUBLISH', ARGV[2], ring)
return id
