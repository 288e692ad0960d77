-- Hands out the task whose turn it is. The same ticket gets the same task again.
local instance, ticket, now, expired, at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local own = P .. 'instance:' .. instance

local function answer(code, id, token, after, message)
  local session = call('HMGET', session_key(call('HGET', task_key(id), 'sid')), 'cv', 'ff')
  return { code, message, token, session[1], session[2], after, call('HGETALL', task_key(id)) }
end

if not alive(instance) then return { 'lost' } end
local last = call('HMGET', own, 'ticket', 'claimed', 'token', 'after', 'draining')
if last[1] == ticket and call('HGET', task_key(last[2]), 'tok') == last[3] then
  return answer('again', last[2], last[3], last[4], '')
end
if last[5] == '1' then return { 'nothing', '' } end
let_in(now)
local id = next_task(abilities(instance))
if not id then
  return { 'nothing', call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')[2] or '' }
end

dequeue(id)
local key = task_key(id)
local token = int(call('HINCRBY', META, 'token', 1))
local row = call('HMGET', key, 'sid', 'wr', 'qo', 'qa', 'sa', 'pr', 'ws', 'n')
call('HSET', key, 'tok', token, 'inst', instance, 'st', 'running', 'ua', now, 'wr', '', 'wu', '')
call('HINCRBY', key, 'at', 1)
if row[5] == '' then call('HSET', key, 'sa', now) end
if row[3] ~= '' then
  -- Its time is up: what was asked has no answer.
  local answered = '{"question":' .. row[3] .. ',"answer":' .. expired .. ',"at":' .. at .. '}'
  call('HSET', key, 'qo', '', 'qid', '', 'qa', row[4] == '' and answered or row[4] .. ',' .. answered)
end
call('ZADD', P .. 'running', row[8], id)
call('SADD', P .. 'work:' .. instance, id)
at_work({ pr = row[6], ws = row[7] }, 1)
notify(id, now)
hold(row[1], token, instance, now)
choose(row[1])
call('HSET', own, 'ticket', ticket, 'claimed', id, 'token', token, 'after', row[2])
return answer('task', id, token, row[2], publish())
