-- Looks through so many tasks of an index, in the order of their admission or against it; gives the ids and numbers of those that
-- are wanted.
local source, order, after, look, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local principal, session, workspace, statuses, from, before = ARGV[6], ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])

local function fits(wanted, found)
  return wanted == '' or wanted == found
end

local function has_labels(id)
  for place = 12, #ARGV, 3 do
    local value = call('HGET', task_key(id), 'l:' .. ARGV[place])
    if not value or (ARGV[place + 1] == '1' and value ~= ARGV[place + 2]) then return false end
  end
  return true
end

local function wants(id)
  local row = call('HMGET', task_key(id), 'pr', 'sid', 'ws', 'st', 'ca')
  local created = tonumber(row[5])
  return fits(principal, row[1]) and fits(session, row[2]) and fits(workspace, row[3])
    and (statuses == '' or string.find(statuses, ',' .. row[4] .. ',', 1, true))
    and (not from or created >= from) and (not before or created < before) and has_labels(id)
end

local found
if order == 'newest' then
  found = call('ZREVRANGEBYSCORE', P .. source, after == '' and '+inf' or '(' .. after, '-inf', 'WITHSCORES', 'LIMIT', 0, look)
else
  found = call('ZRANGEBYSCORE', P .. source, after == '' and '-inf' or '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, look)
end
local wanted, looked, last = {}, 0, ''
for place = 1, #found, 2 do
  looked, last = looked + 1, found[place + 1]
  if wants(found[place]) then
    wanted[#wanted + 1] = found[place]
    wanted[#wanted + 1] = last
    if #wanted >= most * 2 then break end
  end
end
return { looked, last, wanted }
