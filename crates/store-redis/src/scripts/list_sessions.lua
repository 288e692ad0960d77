-- Some sessions and their tasks: one by its id, or as many as fit after a number.
local sid, after = ARGV[1], ARGV[2]
local list = {}
local ids = sid ~= '' and { sid } or call('ZRANGEBYSCORE', P .. 'sessions', '(' .. after, '+inf', 'LIMIT', 0, 500)
for _, id in ipairs(ids) do
  if call('EXISTS', session_key(id)) == 1 then
    list[#list + 1] = { call('HGETALL', session_key(id)), call('ZRANGE', P .. 'of:' .. id, 0, -1) }
  end
end
return list
