-- queue_items: sessions as they are in this call, and writes that can wait until its end.

-- ---- writes that can wait: a command for all of a key is cheaper than one for each ----

local pending, order = {}, {}

local function settle(key)
	local words = pending[key]
	if words then
		pending[key] = nil
		call(unpack(words))
	end
end

-- ZADD with a score, or ZREM. Whoever reads the key settles it first.
local function later(command, key, sid, score)
	local words = pending[key]
	if not words or words[1] ~= command then
		settle(key)
		words = {command, key, nil, nil, nil, nil, nil, nil}
		pending[key], order[#order + 1] = words, key
	end
	local n = #words
	if score then
		words[n + 1], words[n + 2] = score, sid
	else
		words[n + 1] = sid
	end
end

-- ---- sessions ----

-- As they are in this call; what was saved is written at its end, by write_all().
local items, saved = {}, {}

local function know(sid, text)
	if not text then
		items[sid] = false
		return
	end
	local f, t, u, pj, ag, key, p, by, need, likes, set, since, inc, a, e, c, first, lost, why =
		string.match(text, '^(([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^\n]*))\n' ..
		'([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
	items[sid] = {sid = sid, f = f, t = t, u = u, pj = pj, ag = ag, key = key, p = p, by = by,
		need = need, likes = likes, set = set, at = since, inc = inc, a = a, e = e, c = c,
		first = first, lost = lost, why = why, names = false, keyed = false, unsaved = false}
end

local function know_all(sids)
	if #sids == 0 then return end
	local texts = call('HMGET', I, unpack(sids))
	for i, sid in ipairs(sids) do
		if items[sid] == nil then know(sid, texts[i]) end
	end
end

local function item_of(sid)
	if items[sid] == nil then know(sid, call('HGET', I, sid)) end
	return items[sid] or nil
end

-- After it came into another set.
local function save(h, set, why)
	h.set, h.why, h.at = set, why, at
	if not h.unsaved then
		h.unsaved, saved[#saved + 1] = true, h
	end
end

local function write_all()
	for i = 1, #order do settle(order[i]) end
	order = {}
	if #saved == 0 then return end
	local words = {'HSET', I}
	for i, h in ipairs(saved) do
		h.unsaved = false
		words[2 * i + 1] = h.sid
		words[2 * i + 2] = h.f .. '\n' .. h.set .. '|' .. h.at .. '|' .. h.inc .. '|' .. h.a .. '|' ..
			h.e .. '|' .. h.c .. '|' .. h.first .. '|' .. h.lost .. '|' .. h.why
	end
	saved = {}
	call(unpack(words))
end
