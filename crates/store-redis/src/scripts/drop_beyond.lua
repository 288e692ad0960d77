-- Drops what is beyond the retention, oldest first, at most so many tasks. What is still needed is passed over.
local max_age, max_tasks, max_bytes, min_age = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now, most, most_passed_over = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local after_at, after_number, after_id = ARGV[8], ARGV[9], ARGV[10]
local dropped, sessions, emptied = 0, {}, {}

local function drop_if_empty(sid)
  local token = call('HGET', session_key(sid), 'tok')
  if token ~= '' or call('EXISTS', P .. 'of:' .. sid) == 1 then return false end
  sessions[#sessions + 1] = drop_session(sid)
  return true
end

local function drop_old_sessions(before)
  local from = 0
  repeat
    local sid = call('ZRANGEBYSCORE', P .. 'empty', '-inf', '(' .. before, 'LIMIT', from, 1)[1]
    if sid and (#unbegun_forks(sid) > 0 or not drop_if_empty(sid)) then from = from + 1 end
  until not sid or #sessions >= most or from >= most_passed_over
end

-- How many have ended up to the one that was looked at last.
local function rank_after(at, name)
  local rank = call('ZCOUNT', P .. 'ended', '-inf', '(' .. at)
  for _, other in ipairs(call('ZRANGEBYSCORE', P .. 'ended', at, at)) do
    if other <= name then rank = rank + 1 end
  end
  return rank
end

if max_age then drop_old_sessions(int(now - max_age)) end
local tasks, bytes = call('ZCARD', P .. 'ended'), tonumber(call('HGET', META, 'ended_bytes') or 0)

local function is_beyond(ended_at)
  local age = math.max(0, now - ended_at)
  local too_old = max_age and age > max_age
  -- The newest is kept even when it alone is too large: its submitter has yet to read it.
  return age >= min_age and (too_old or tasks > max_tasks or (bytes > max_bytes and tasks > 1))
end

local rank = after_at and rank_after(after_at, ended_name(tonumber(after_number), after_id)) or 0
local place, passed_over = after_at and { after_at, after_number, after_id } or {}, 0
while dropped < most and passed_over < most_passed_over do
  local found = call('ZRANGE', P .. 'ended', rank, rank, 'WITHSCORES')
  if not found[1] or not is_beyond(tonumber(found[2])) then
    place = {}
    break
  end
  local number, id = string.match(found[1], '^0*(%d+):(.*)$')
  place = { int(tonumber(found[2])), number, id }
  local row = call('HMGET', task_key(id), 'sid', 'by')
  -- Its session may have been deleted: then another one may have its name.
  local sid = call('ZSCORE', P .. 'of:' .. row[1], id) and row[1]
  if is_needed(id) or (sid and #unbegun_forks(sid) > 0) then
    rank, passed_over = rank + 1, passed_over + 1
  else
    drop_task(id)
    tasks, bytes, dropped = tasks - 1, bytes - tonumber(row[2]), dropped + 1
    if sid then emptied[sid] = true end
  end
end
for sid in pairs(emptied) do drop_if_empty(sid) end
return { 'ok', '', dropped, sessions, place }
