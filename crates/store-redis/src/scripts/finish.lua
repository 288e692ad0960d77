-- Ends a task: one that runs, under its lease, or one that waits, without.
local id, token, instance, first, last = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local data, progress, cost, now, status, outcome = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local weight, turned = tonumber(ARGV[12]), ARGV[13]
local key = task_key(id)
local found = call('HMGET', key, 'tok', 'inst', 'tail', 'by', 'n', 'st', 'cv', 'pr', 'ws', 'sid')
if not found[1] then return { 'unknown' } end
if not is_open(found[6]) then return { 'fenced' } end
local refused = refusal({ tok = found[1], inst = found[2], tail = found[3] }, token, instance, first, last)
if refused then return refused end
local bytes = tonumber(found[4]) + #data + weight
if token == '' then dequeue(id) end
call('HSET', key, 'st', status, 'out', outcome, 'pg', progress, 'co', cost, 'wr', '', 'wu', '', 'qo', '', 'qid', '', 'tok', '',
  'inst', '', 'ua', now, 'by', int(bytes), 'tail', last >= first and int(last) or found[3])
if last >= first then add_events(id, found[5], status, first, last, data) end
if token ~= '' then
  call('ZREM', P .. 'running', id)
  call('SREM', P .. 'work:' .. instance, id)
  at_work({ pr = found[8], ws = found[9] }, -1)
end
call('ZREM', P .. 'open', id)
call('ZADD', P .. 'ended', now, ended_name(tonumber(found[5]), id))
call('HINCRBY', META, 'ended_bytes', int(bytes))
dependency_ended(id, status)
-- It leaves its session; the conversation that it has carried on is the one to go on with.
call('ZREM', P .. 'open:' .. found[10], id)
call('HSET', session_key(found[10]), 'la', now)
if turned == '1' then set_conversation(found[10], found[7]) end
queue_changed()
return { 'ok', publish() }
