-- Gives this instance, under new leases, what instances hold whose lease has ended. Whatever it was given so is given again until its
-- session is given back: the answer, or what was done about it, may have been lost.
local me, now = ARGV[1], ARGV[2]
if not alive(me) then return { 'lost' } end
local taken = {}

local function running_in(sid)
  for _, id in ipairs(call('ZRANGE', P .. 'open:' .. sid, 0, -1)) do
    local row = call('HMGET', task_key(id), 'tok', 'inst')
    if row[1] ~= '' then return id, row[2] end
  end
end

local function take_session(sid, dead)
  local holder = call('HGET', session_key(sid), 'inst')
  if holder ~= '' and holder ~= dead then return end
  local id, runner = running_in(sid)
  if not id then
    -- Its task had ended or was put back; only the release is missing.
    give_back(sid)
    choose(sid)
    queue_changed()
  elseif runner == dead then
    local token = int(call('HINCRBY', META, 'token', 1))
    hold(sid, token, me, now)
    choose(sid)
    call('HSET', task_key(id), 'tok', token, 'inst', me)
    call('SREM', P .. 'work:' .. dead, id)
    call('SADD', P .. 'work:' .. me, id)
    local session = call('HMGET', session_key(sid), 'cv', 'ff')
    call('HSET', P .. 'taken:' .. me, sid, id)
    taken[#taken + 1] = { token, session[1], session[2], call('HGETALL', task_key(id)) }
  end
end

local function again(sid, id)
  local session = call('HMGET', session_key(sid), 'tok', 'inst', 'cv', 'ff')
  if session[2] ~= me then
    call('HDEL', P .. 'taken:' .. me, sid)
  elseif call('HGET', task_key(id), 'tok') == session[1] then
    taken[#taken + 1] = { session[1], session[3], session[4], call('HGETALL', task_key(id)) }
  else
    give_back(sid)
    choose(sid)
    queue_changed()
  end
end

local before = call('HGETALL', P .. 'taken:' .. me)
for place = 1, #before, 2 do again(before[place], before[place + 1]) end

for _, dead in ipairs(call('ZRANGEBYSCORE', P .. 'leases', '-inf', clock())) do
  local sids = {}
  for _, sid in ipairs(call('SMEMBERS', P .. 'held:' .. dead)) do sids[sid] = true end
  for _, id in ipairs(call('SMEMBERS', P .. 'work:' .. dead)) do sids[call('HGET', task_key(id), 'sid')] = true end
  for sid in pairs(sids) do take_session(sid, dead) end
  forget_if_done(dead)
end
return { 'ok', #taken > 0 and publish() or flags == 'q' and publish() or '', taken }
