-- What readers on all instances are told of a commit: its number, so that a lost message is noticed; the feed's last place;
-- whether the queue has changed (q), something can be taken over (t) or was left for an instance (m); and where each changed task is.
local told, flags = {}, ''

local function tell(task)
  told[#told + 1] = task
end

local function queue_changed()
  flags = 'q'
end

local function publish()
  local parts = { int(call('HINCRBY', META, 'news', 1)), call('HGET', META, 'position') or '0', flags == '' and '-' or flags }
  for _, id in ipairs(told) do
    local row = call('HMGET', task_key(id), 'tail', 'st', 'ia')
    parts[#parts + 1] = id
    parts[#parts + 1] = row[1] or '0'
    parts[#parts + 1] = is_open(row[2]) and '0' or '1'
    parts[#parts + 1] = row[3] == '' and '0' or '1'
  end
  local message = table.concat(parts, ' ')
  call('PUBLISH', P .. 'news', message)
  return message
end
