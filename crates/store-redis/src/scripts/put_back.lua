-- Lets a running task wait for another attempt.
local id, token, instance, first, last = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local data, progress, cost, conversation, now, limit = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local reason, till, failed, question, question_id = ARGV[12], ARGV[13], ARGV[14], ARGV[15], ARGV[16]
local key = task_key(id)
local found = call('HMGET', key, 'tok', 'inst', 'tail', 'by', 'n', 'st', 'cv', 'pr', 'ws')
if not found[1] then return { 'unknown' } end
if not is_open(found[6]) then return { 'fenced' } end
local refused = refusal({ tok = found[1], inst = found[2], tail = found[3] }, token, instance, first, last)
if refused then return refused end
local bytes = tonumber(found[4]) + #data
if bytes > tonumber(limit) then return { 'log_full' } end
call('HSET', key, 'pg', progress, 'co', cost, 'cv', conversation == '' and found[7] or conversation, 'ua', now, 'by', int(bytes),
  'tail', last >= first and int(last) or found[3], 'tok', '', 'inst', '', 'wr', reason, 'wu', till, 'qo', question, 'qid', question_id)
call('HINCRBY', key, 'fa', failed)
if last >= first then add_events(id, found[5], found[6], first, last, data) end
notify(id, now)
call('ZREM', P .. 'running', id)
call('SREM', P .. 'work:' .. instance, id)
at_work({ pr = found[8], ws = found[9] }, -1)
enqueue(id)
return { 'ok', publish() }
