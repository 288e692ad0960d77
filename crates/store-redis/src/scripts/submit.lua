-- Admits a task. Whether the session fits is decided before anything is changed.
local id, fingerprint, principal, workspace, max_pending, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local choice, origin, when_busy, own = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local priority, max, start, deps, spec, bytes, on = ARGV[11], ARGV[12], ARGV[13], ARGV[14], ARGV[15], ARGV[16], ARGV[17]
local instance, max_at_work = ARGV[18], tonumber(ARGV[19])

local function session_refusal()
  local row = call('HMGET', session_key(origin), 'pr', 'ws')
  if not row[1] or row[1] ~= principal then return { 'no_session', origin } end
  if row[2] ~= workspace then return { 'workspace', row[2] } end
end

-- Where the task goes: a new session that begins with a copy of something or nothing, or an existing one.
local function find_place()
  if choice ~= 'new' then
    local refused = session_refusal()
    if refused then return refused end
  end
  if choice == 'reuse' then
    local is_busy = call('EXISTS', P .. 'open:' .. origin) == 1
    if not is_busy or (when_busy ~= 'reject' and when_busy ~= 'fork') then return nil, origin end
    if when_busy == 'reject' then return { 'busy', call('ZRANGE', P .. 'open:' .. origin, 0, -1) } end
    choice = 'fork'
  end
  if call('EXISTS', session_key(own)) == 1 then return { 'session_taken', own } end
  if choice == 'new' then return nil, own, '' end
  local copied = conversation_of(origin)
  if copied == '' then return { 'nothing_to_fork', origin } end
  return nil, own, copied
end

-- Whether as many tasks wait as may. Who waits for nothing but to be claimed by this server is looked for only when it matters.
local function is_full()
  local waiting = call('ZCARD', P .. 'waiting')
  local not_begun = waiting - call('SCARD', P .. 'begun')
  -- Those that were parked give no place free for ever: else there would be no end to them.
  local function are_too_many(going, not_begun_going)
    return not_begun - not_begun_going >= max_pending or waiting - going >= max_pending * 2
  end
  if not are_too_many(0, 0) then return false end
  local free = max_at_work - call('SCARD', P .. 'held:' .. instance)
  if free <= 0 or not alive(instance) or call('HGET', P .. 'instance:' .. instance, 'draining') == '1' then return true end
  return are_too_many(going(free, abilities(instance)))
end

local function admission_refusal()
  for dependency in string.gmatch(deps, '%S+') do
    if call('HGET', task_key(dependency), 'pr') ~= principal then return { 'no_dependency', dependency } end
  end
  if is_full() then return { 'full', int(call('ZCARD', P .. 'waiting')) } end
end

local function insert(sid)
  local number = int(call('HINCRBY', META, 'task', 1))
  call('HSET', task_key(id), 'n', number, 'sid', sid, 'pr', principal, 'ws', workspace, 'fp', fingerprint, 'spec', spec,
    'prio', priority, 'max', max, 'on', on, 'start', start, 'deps', deps, 'st', 'pending', 'at', '0', 'fa', '0', 'wr', '', 'wu', '',
    'tok', '', 'inst', '', 'cv', '', 'pg', '', 'co', '0', 'out', '', 'ca', now, 'sa', '', 'ua', now, 'tail', '0', 'ia', '',
    'by', bytes, 'qo', '', 'qid', '', 'qa', '', 'waits', '0', 'doom', '', 'dl', '')
  for place = 20, #ARGV, 2 do
    call('HSET', task_key(id), 'l:' .. ARGV[place], ARGV[place + 1])
    call('ZADD', P .. 'label:' .. ARGV[place] .. '=' .. ARGV[place + 1], number, id)
  end
  for _, set in ipairs({ 'tasks', 'open', 'of:' .. sid, 'open:' .. sid }) do
    call('ZADD', P .. set, number, id)
  end
  call('ZREM', P .. 'empty', sid)
end

local existing = call('HMGET', task_key(id), 'fp', 'pr')
if existing[1] then
  if existing[1] ~= fingerprint or existing[2] ~= principal then return { 'taken' } end
  return { 'existing', call('HGETALL', task_key(id)) }
end
local refused, sid, copied = find_place()
refused = refused or admission_refusal()
if refused then return refused end
if copied then
  new_session(sid, principal, workspace, copied, now)
else
  if when_busy == 'interrupt' then
    for _, open in ipairs(call('ZRANGE', P .. 'open:' .. sid, 0, -1)) do ask_to_stop(open, now) end
  end
  call('HSET', session_key(sid), 'la', now)
end
insert(sid)
notify(id, now)
tell(id)
enqueue(id)
return { 'created', publish(), call('HGETALL', task_key(id)) }
