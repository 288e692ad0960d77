-- Ended tasks: in the order of their ends, until they are dropped.

local function ended_name(number, id)
  return string.format('%020.0f', number) .. ':' .. id
end

local function drop_task(id)
  local row = call('HMGET', task_key(id), 'n', 'sid', 'by')
  for _, field in ipairs(call('HKEYS', task_key(id))) do
    if string.sub(field, 1, 2) == 'l:' then
      call('ZREM', P .. 'label:' .. string.sub(field, 3) .. '=' .. call('HGET', task_key(id), field), id)
    end
  end
  call('ZREM', P .. 'tasks', id)
  call('ZREM', P .. 'ended', ended_name(tonumber(row[1]), id))
  if row[3] ~= '0' then call('HINCRBY', META, 'ended_bytes', '-' .. row[3]) end
  call('ZREM', P .. 'of:' .. row[2], id)
  if call('EXISTS', session_key(row[2])) == 1 then note_empty(row[2]) end
  call('DEL', task_key(id))
  -- Its events are many: they go bit by bit.
  call('RPUSH', P .. 'garbage', row[1])
end

-- Whether a waiting task depends on this one, or is doomed by it and has not ended.
local function is_needed(id)
  return call('EXISTS', P .. 'dependents:' .. id) == 1 or call('HEXISTS', P .. 'dooms', id) == 1
end
