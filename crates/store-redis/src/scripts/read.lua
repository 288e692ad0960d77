-- A page of a task's log, and which task it is and where.
local id, after = ARGV[1], ARGV[2]
local row = call('HMGET', task_key(id), 'n', 'tail', 'st', 'ia')
if not row[1] then return false end
-- Two batches may be more than a page, and each that is looked at is copied: so few at first.
local batches, events, bytes, looked_at = {}, 0, 0, 2
repeat
  local entries = call('XRANGE', P .. 'log:' .. row[1], '(' .. after .. '-0', '+', 'COUNT', looked_at)
  for _, entry in ipairs(entries) do
    local first, data = entry[2][2], entry[2][6]
    after = string.match(entry[1], '^%d+')
    batches[#batches + 1] = first
    batches[#batches + 1] = data
    -- Of the first batch only a part may be wanted.
    if #batches > 2 then
      events, bytes = events + tonumber(after) - tonumber(first) + 1, bytes + #data
    end
    if events >= 512 or bytes >= 262144 then break end
  end
  local were_all = #entries < looked_at
  looked_at = math.min(looked_at * 2, 16)
until were_all or events >= 512 or bytes >= 262144
return { row[1], row[2], row[3], row[4] == '' and '0' or '1', batches }
