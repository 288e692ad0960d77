-- Whose turn it is, as store::queue says it.

-- The place by priority and age.
local function rank(priority, number)
  return (100 - priority) * 17592186044416 + number
end

-- How much an owner has had: first how much is at work, then when it was served last.
local function served(owner)
  local at_work = call('HGET', P .. 'at_work', owner) or 0
  local last = call('ZSCORE', P .. 'served', owner) or 0
  return tonumber(at_work) * 68719476736 + tonumber(last)
end

-- Candidates stand in buckets: by priority, principal, workspace, and by how many of the principal's may be at work and which labels
-- their server must have.
local function bucket(task)
  local mine = P .. 'ready:' .. task.prio .. ':' .. task.pr
  local place = mine .. '\0' .. task.ws
  return mine, place, place .. '\0' .. task.terms
end

local function queue_row(id)
  local row = call('HMGET', task_key(id), 'n', 'sid', 'pr', 'ws', 'prio', 'max', 'on')
  local terms = (row[7] or '') == '' and row[6] or row[6] .. ' ' .. row[7]
  return { n = tonumber(row[1]), sid = row[2], pr = row[3], ws = row[4], prio = row[5], max = row[6], terms = terms }
end

local function add_candidate(id)
  local task = queue_row(id)
  local mine, place, last = bucket(task)
  call('ZADD', last, task.n, id)
  call('ZADD', place, task.max, task.terms)
  call('ZADD', mine, served('w ' .. task.pr .. ' ' .. task.ws), task.ws)
  call('ZADD', P .. 'ready:' .. task.prio, served('p ' .. task.pr), task.pr)
  call('ZADD', P .. 'ready', task.prio, task.prio)
end

local function remove_candidate(id)
  local task = queue_row(id)
  local mine, place, last = bucket(task)
  call('ZREM', last, id)
  if call('EXISTS', last) == 0 then call('ZREM', place, task.terms) end
  if call('EXISTS', place) == 0 then call('ZREM', mine, task.ws) end
  if call('EXISTS', mine) == 0 then call('ZREM', P .. 'ready:' .. task.prio, task.pr) end
  if call('EXISTS', P .. 'ready:' .. task.prio) == 0 then call('ZREM', P .. 'ready', task.prio) end
end

-- Counts a task as at work, or no longer, and puts its owners where they now belong.
local function at_work(task, change)
  local principal, workspace = 'p ' .. task.pr, 'w ' .. task.pr .. ' ' .. task.ws
  local service = change > 0 and call('HINCRBY', META, 'services', 1)
  for _, owner in ipairs({ principal, workspace }) do
    if tonumber(call('HINCRBY', P .. 'at_work', owner, change)) <= 0 then call('HDEL', P .. 'at_work', owner) end
    if service then call('ZADD', P .. 'served', service, owner) end
  end
  -- Who is forgotten loses nothing but the place behind those who never came.
  call('ZREMRANGEBYRANK', P .. 'served', 0, -20001)
  local p, w = served(principal), served(workspace)
  for _, priority in ipairs(call('ZRANGE', P .. 'ready', 0, -1)) do
    call('ZADD', P .. 'ready:' .. priority, 'XX', p, task.pr)
    call('ZADD', P .. 'ready:' .. priority .. ':' .. task.pr, 'XX', w, task.ws)
  end
end

-- The first task of a session that may go, in order of admission. One that has begun goes before all others. It is looked for a few
-- at a time: thousands may wait, and the first is the one as a rule.
local function first_of(sid)
  local from = 0
  repeat
    local ids = call('ZRANGE', P .. 'wait:' .. sid, from, from + 15)
    for _, id in ipairs(ids) do
      local task = call('HMGET', task_key(id), 'waits', 'doom', 'dl', 'at')
      if task[1] == '0' and task[2] == '' and task[3] == '' then return id end
      if task[4] ~= '0' and task[2] == '' then return '' end
    end
    from = from + 16
  until #ids < 16
  return ''
end

-- Finds out which task of a session may go, if any.
local function choose(sid)
  local session = call('HMGET', session_key(sid), 'tok', 'cand')
  if not session[1] then return end
  local candidate = session[1] == '' and first_of(sid) or ''
  if candidate ~= session[2] then
    if session[2] ~= '' then remove_candidate(session[2]) end
    if candidate ~= '' then add_candidate(candidate) end
    call('HSET', session_key(sid), 'cand', candidate)
  end
end

-- The oldest of a workspace that has not to wait for others of its principal to end, nor for a server with other labels.
local function first_allowed(place, busy, suits)
  local best, number
  for _, terms in ipairs(call('ZRANGE', place, 0, -1)) do
    local max, labels = string.match(terms, '^(%d+) ?(.*)$')
    if (max == '0' or busy < tonumber(max)) and suits(labels) then
      local head = call('ZRANGE', place .. '\0' .. terms, 0, 0, 'WITHSCORES')
      if head[1] and (not number or tonumber(head[2]) < number) then best, number = head[1], tonumber(head[2]) end
    end
  end
  return best
end

local function next_of_principal(priority, principal, reachable, suits)
  local mine = P .. 'ready:' .. priority .. ':' .. principal
  local busy = tonumber(call('HGET', P .. 'at_work', 'p ' .. principal) or 0)
  for _, workspace in ipairs(call('ZRANGE', mine, 0, -1)) do
    local found = reachable(workspace) and first_allowed(mine .. '\0' .. workspace, busy, suits)
    if found then return found end
  end
end

-- Of the tasks in workspaces that are reachable, whose labels suit.
local function next_task(reachable, suits)
  for _, priority in ipairs(call('ZREVRANGE', P .. 'ready', 0, -1)) do
    local from = 0
    repeat
      local principals = call('ZRANGE', P .. 'ready:' .. priority, from, from + 63)
      for _, principal in ipairs(principals) do
        local found = next_of_principal(priority, principal, reachable, suits)
        if found then return found end
      end
      from = from + 64
    until #principals < 64
  end
end

-- What an instance is able to run: whether it has a folder, and whether it has all labels that are asked for. One that has said nothing
-- of its roots has all folders.
local function abilities(instance)
  local row = call('HMGET', P .. 'instance:' .. instance, 'roots', 'labels')
  local roots, labels = cjson.decode(row[1] or '[]'), {}
  for _, label in ipairs(cjson.decode(row[2] or '[]')) do labels[label] = true end
  local function reachable(workspace)
    for _, root in ipairs(roots) do
      if root == '/' or workspace == root or string.sub(workspace, 1, #root + 1) == root .. '/' then return true end
    end
    return #roots == 0
  end
  local function suits(wanted)
    for label in string.gmatch(wanted, '[^,]+') do
      if not labels[label] then return false end
    end
    return true
  end
  return reachable, suits
end

-- The tasks that go at once when so many may: how many, and how many that have not begun. Those that have begun go first.
local function going(free, reachable, suits)
  local at_work, able, begun = {}, 0, 0
  local function count(id, principal, max)
    at_work[principal] = at_work[principal] or tonumber(call('HGET', P .. 'at_work', 'p ' .. principal) or 0)
    if max ~= 0 and at_work[principal] >= max then return end
    at_work[principal], able = at_work[principal] + 1, able + 1
    begun = begun + call('SISMEMBER', P .. 'begun', id)
  end
  for _, priority in ipairs(call('ZREVRANGE', P .. 'ready', 0, -1)) do
    for _, principal in ipairs(call('ZRANGE', P .. 'ready:' .. priority, 0, -1)) do
      local mine = P .. 'ready:' .. priority .. ':' .. principal
      for _, workspace in ipairs(call('ZRANGE', mine, 0, -1)) do
        for _, terms in ipairs(reachable(workspace) and call('ZRANGE', mine .. '\0' .. workspace, 0, -1) or {}) do
          local max, labels = string.match(terms, '^(%d+) ?(.*)$')
          for _, id in ipairs(suits(labels) and call('ZRANGE', mine .. '\0' .. workspace .. '\0' .. terms, 0, -1) or {}) do
            count(id, principal, tonumber(max))
          end
        end
      end
    end
  end
  return math.min(able, free), math.min(able - begun, math.max(0, free - begun))
end

-- Notes when a task that has not begun is due: never by time alone while it depends on others.
local function note_due(id)
  local row = call('HMGET', task_key(id), 'at', 'doom', 'waits')
  local due = row[1] == '0' and row[2] == '' and (row[3] ~= '0' and '+inf' or call('ZSCORE', P .. 'delayed', id))
  if due then call('ZADD', P .. 'scheduled', due, id) else call('ZREM', P .. 'scheduled', id) end
end

local function set_doom(id, number, doom)
  call('HSET', task_key(id), 'doom', doom)
  call('ZADD', P .. 'doomed', number, id)
  call('ZREM', P .. 'scheduled', id)
  local dependency = string.match(doom, '^%l+ (%S+)$')
  if dependency then call('HINCRBY', P .. 'dooms', dependency, 1) end
end

-- What a task waits for among what it depends on, and what dooms it.
local function dependencies(id, deps, doom)
  local waits = 0
  for dependency in string.gmatch(deps, '%S+') do
    local status = call('HGET', task_key(dependency), 'st')
    if status == 'failed' or status == 'interrupted' then
      if doom == '' then doom = status .. ' ' .. dependency end
    elseif status and is_open(status) then
      waits = waits + call('SADD', P .. 'dependents:' .. dependency, id)
    end
  end
  return waits, doom
end

local function enqueue(id)
  local row = call('HMGET', task_key(id), 'n', 'sid', 'prio', 'at', 'ia', 'wu', 'start', 'deps', 'wr')
  local number, begun = tonumber(row[1]), row[4] ~= '0'
  local waits, doom = 0, row[5] ~= '' and 'interrupt' or ''
  if not begun then waits, doom = dependencies(id, row[8], doom) end
  local till = row[9] ~= '' and row[6] or row[7]
  call('HSET', task_key(id), 'waits', waits, 'doom', '', 'dl', till == '' and '' or '1')
  if doom ~= '' then set_doom(id, number, doom) end
  local place = rank(tonumber(row[3]), number)
  call('ZADD', P .. 'waiting', place, id)
  call('ZADD', P .. 'wait:' .. row[2], number, id)
  if till ~= '' then call('ZADD', P .. 'delayed', till, id) end
  if begun then call('SADD', P .. 'begun', id) end
  if begun and till ~= '' then call('ZADD', P .. 'parked', place, id) end
  note_due(id)
  choose(row[2])
  queue_changed()
end

-- Takes a task out: it was claimed or has ended.
local function dequeue(id)
  local row = call('HMGET', task_key(id), 'sid', 'doom', 'deps', 'waits')
  for _, set in ipairs({ 'waiting', 'delayed', 'scheduled', 'doomed', 'parked', 'wait:' .. row[1] }) do
    call('ZREM', P .. set, id)
  end
  call('SREM', P .. 'begun', id)
  local dependency = string.match(row[2], '^%l+ (%S+)$')
  if dependency and call('HINCRBY', P .. 'dooms', dependency, -1) <= 0 then call('HDEL', P .. 'dooms', dependency) end
  if row[4] ~= '0' then
    for wanted in string.gmatch(row[3], '%S+') do call('SREM', P .. 'dependents:' .. wanted, id) end
  end
  if call('HGET', session_key(row[1]), 'cand') == id then
    remove_candidate(id)
    call('HSET', session_key(row[1]), 'cand', '')
  end
  call('HSET', task_key(id), 'waits', '0', 'doom', '', 'dl', '')
  choose(row[1])
end

-- Lets in what was delayed until now.
local function let_in(now)
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now)) do
    call('ZREM', P .. 'delayed', id)
    call('ZREM', P .. 'parked', id)
    call('HSET', task_key(id), 'dl', '')
    note_due(id)
    choose(call('HGET', task_key(id), 'sid'))
  end
end

-- A task has ended: those that depend on it may go, or are doomed.
local function dependency_ended(id, status)
  for _, dependent in ipairs(call('SMEMBERS', P .. 'dependents:' .. id)) do
    call('HINCRBY', task_key(dependent), 'waits', -1)
    local row = call('HMGET', task_key(dependent), 'n', 'sid', 'doom')
    if status ~= 'completed' and row[3] == '' then set_doom(dependent, row[1], status .. ' ' .. id) end
    note_due(dependent)
    choose(row[2])
  end
  call('DEL', P .. 'dependents:' .. id)
end

-- Records that a task is to be stopped, once.
local function ask_to_stop(id, now)
  local row = call('HMGET', task_key(id), 'ia', 'tok', 'doom', 'n', 'sid')
  if row[1] ~= '' then return end
  call('HSET', task_key(id), 'ia', now)
  tell(id)
  if row[2] == '' then
    if row[3] == '' then set_doom(id, row[4], 'interrupt') end
    choose(row[5])
    queue_changed()
  end
end
