-- Drops what is beyond the retention, oldest first, at most so many tasks.
local max_age, max_tasks, max_bytes, min_age = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now, most = tonumber(ARGV[5]), tonumber(ARGV[6])
local dropped, sessions, emptied = 0, {}, {}

local function drop_if_empty(sid)
  local token = call('HGET', session_key(sid), 'tok')
  if token ~= '' or call('EXISTS', P .. 'of:' .. sid) == 1 then return end
  sessions[#sessions + 1] = drop_session(sid)
end

if max_age then
  for _, sid in ipairs(call('ZRANGEBYSCORE', P .. 'empty', '-inf', '(' .. int(now - max_age), 'LIMIT', 0, most)) do
    if #unbegun_forks(sid) == 0 then drop_if_empty(sid) end
  end
end
local tasks, bytes = call('ZCARD', P .. 'ended'), tonumber(call('HGET', META, 'ended_bytes') or 0)
local oldest = call('ZRANGE', P .. 'ended', 0, most - 1, 'WITHSCORES')
for place = 1, #oldest, 2 do
  local id, age = string.match(oldest[place], '^%d+:(.*)$'), math.max(0, now - tonumber(oldest[place + 1]))
  local too_old = max_age and age > max_age
  -- The newest is kept even when it alone is too large: its submitter has yet to read it.
  local too_much = tasks > max_tasks or (bytes > max_bytes and tasks > 1)
  if age < min_age or not (too_old or too_much) then break end
  local row = call('HMGET', task_key(id), 'sid', 'by')
  if not is_needed(id) and #unbegun_forks(row[1]) == 0 then
    drop_task(id)
    tasks, bytes, dropped = tasks - 1, bytes - tonumber(row[2]), dropped + 1
    emptied[row[1]] = true
  end
end
for sid in pairs(emptied) do drop_if_empty(sid) end
return { 'ok', '', dropped, sessions }
