-- Sessions: who holds them, what they go on with, and when nothing is left of them.

local function no_longer_held(before, sid)
  if before == '' then return end
  call('SREM', P .. 'held:' .. before, sid)
  call('HDEL', P .. 'taken:' .. before, sid)
end

local function hold(sid, token, instance, now)
  local before = call('HGET', session_key(sid), 'inst')
  no_longer_held(before, sid)
  call('HSET', session_key(sid), 'tok', token, 'inst', instance, 'la', now)
  call('SADD', P .. 'held', sid)
  call('SADD', P .. 'held:' .. instance, sid)
end

-- Notes whether a session has neither tasks nor a holder: then it may be forgotten one day.
local function note_empty(sid)
  local row = call('HMGET', session_key(sid), 'tok', 'la')
  if row[1] == '' and call('EXISTS', P .. 'of:' .. sid) == 0 then
    call('ZADD', P .. 'empty', row[2], sid)
  else
    call('ZREM', P .. 'empty', sid)
  end
end

local function give_back(sid)
  local before = call('HGET', session_key(sid), 'inst')
  no_longer_held(before, sid)
  call('HSET', session_key(sid), 'tok', '', 'inst', '')
  call('SREM', P .. 'held', sid)
  note_empty(sid)
end

local function set_conversation(sid, conversation)
  if conversation == '' then return end
  local row = call('HMGET', session_key(sid), 'cv', 'ff')
  if row[1] == '' and row[2] ~= '' then call('ZREM', P .. 'forks:' .. row[2], sid) end
  call('HSET', session_key(sid), 'cv', conversation)
end

local function new_session(sid, principal, workspace, fork_from, now)
  local number = call('HINCRBY', META, 'session', 1)
  call('HSET', session_key(sid), 'n', number, 'id', sid, 'pr', principal, 'ws', workspace, 'cv', '', 'ff', fork_from, 'tok', '',
    'inst', '', 'ca', now, 'la', now, 'cand', '')
  call('ZADD', P .. 'sessions', number, sid)
  if fork_from ~= '' then call('ZADD', P .. 'forks:' .. fork_from, number, sid) end
end

-- What a fork of a session begins with a copy of.
local function conversation_of(sid)
  local row = call('HMGET', session_key(sid), 'cv', 'ff')
  if row[1] ~= '' then return row[1] end
  for _, id in ipairs(call('ZRANGE', P .. 'open:' .. sid, 0, -1)) do
    local conversation = call('HGET', task_key(id), 'cv')
    if conversation ~= '' then return conversation end
  end
  return row[2]
end

local function drop_session(sid)
  local row = call('HMGET', session_key(sid), 'pr', 'cv', 'ff')
  if row[2] == '' and row[3] ~= '' then call('ZREM', P .. 'forks:' .. row[3], sid) end
  call('ZREM', P .. 'sessions', sid)
  call('ZREM', P .. 'empty', sid)
  call('DEL', session_key(sid))
  return { sid, row[1], row[2] }
end

-- The sessions that are to begin with a copy of this one's conversation, and have not begun.
local function unbegun_forks(sid)
  local conversation = call('HGET', session_key(sid), 'cv')
  if not conversation or conversation == '' then return {} end
  return call('ZRANGE', P .. 'forks:' .. conversation, 0, -1)
end
