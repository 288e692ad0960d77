-- A page of the feed of all tasks: what is not wanted is passed over here, and its bytes are not even looked up.
local after, principal, task, session, workspace, statuses = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local entries, rows, known, looked, count, bytes = {}, {}, {}, 0, 0, 0

local function fits(wanted, found)
  return wanted == '' or wanted == found
end

local function wants(id, number, status)
  if known[id] == nil then
    local row = call('HMGET', task_key(id), 'n', 'pr', 'sid', 'ws')
    local wanted = fits(principal, row[2]) and fits(task, id) and fits(session, row[3]) and fits(workspace, row[4])
    known[id] = wanted and row[1] or ''
  end
  return known[id] == number and (statuses == '' or string.find(statuses, ',' .. status .. ',', 1, true))
end

-- What a notice is written from, once a page.
local function send_row(id)
  if rows[id] then return end
  rows[id] = call('HGETALL', task_key(id))
  rows[#rows + 1] = rows[id]
  bytes = bytes + #call('HGET', task_key(id), 'spec')
end

local function take(position, fields)
  local id, number, status = fields[2], fields[4], fields[6]
  local is_notice = fields[7] == 'w'
  local size = is_notice and 1 or tonumber(fields[10]) - tonumber(fields[8]) + 1
  looked = looked + 1
  if not wants(id, number, status) then
    entries[#entries + 1] = { 's', position, int(size) }
  elseif is_notice then
    send_row(id)
    entries[#entries + 1] = { 'n', position, id, status, fields[8], fields[10], fields[12], fields[14] }
    count = count + 1
  else
    local stored = call('XRANGE', P .. 'log:' .. number, fields[10] .. '-0', fields[10] .. '-0')
    local data = stored[1][2][6]
    entries[#entries + 1] = { 'e', position, fields[8], data }
    count, bytes = count + size, bytes + #data
  end
end

local function is_full()
  return looked >= 2000 or count >= 512 or bytes >= 1048576
end

repeat
  local page = call('XRANGE', P .. 'feed', '(' .. after .. '-0', '+', 'COUNT', 100)
  for _, entry in ipairs(page) do
    after = string.match(entry[1], '^%d+')
    take(after, entry[2])
    if is_full() then break end
  end
until #page < 100 or is_full()
return { entries, rows }
