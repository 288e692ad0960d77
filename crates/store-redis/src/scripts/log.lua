-- Events and notices. What one commit adds is one entry of its task's stream, named after its last event, and one of the feed,
-- which names that.

-- Why events are refused, if they are.
local function refusal(row, token, instance, first, last)
  if row.tok ~= token then
    return { 'fenced' }
  end
  if token ~= '' and (row.inst ~= instance or not alive(instance)) then
    return { 'fenced' }
  end
  if last >= first and first ~= tonumber(row.tail) + 1 then
    return { 'sequence', row.tail }
  end
end

local function add_events(id, number, status, first, last, data)
  local position = int(call('HINCRBY', META, 'position', last - first + 1))
  call('XADD', P .. 'log:' .. number, int(last) .. '-0', 'f', int(first), 'p', position, 'd', data)
  call('XADD', P .. 'feed', position .. '-0', 't', id, 'n', number, 's', status, 'f', int(first), 'e', int(last))
  tell(id)
end

-- A notice is kept as what it is made of: who reads it writes it.
local function notify(id, now)
  local row = call('HMGET', task_key(id), 'n', 'st', 'at', 'wr', 'wu')
  local position = int(call('HINCRBY', META, 'position', 1))
  call('XADD', P .. 'feed', position .. '-0', 't', id, 'n', row[1], 's', row[2], 'w', now, 'at', row[3], 'wr', row[4], 'wu', row[5])
  call('RPUSH', P .. 'notices:' .. row[1], position)
end
