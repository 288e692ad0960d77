-- Adds events to a running task.
local id, token, instance, first, last = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local data, progress, cost, conversation, now, limit = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local found = call('HMGET', task_key(id), 'tok', 'inst', 'tail', 'by', 'n', 'st', 'cv')
if not found[1] then return { 'unknown' } end
local row = { tok = found[1], inst = found[2], tail = found[3] }
if not is_open(found[6]) then return { 'fenced' } end
local refused = refusal(row, token, instance, first, last)
if refused then return refused end
local bytes = tonumber(found[4]) + #data
if bytes > tonumber(limit) then return { 'log_full' } end
local tail = last >= first and int(last) or row.tail
call('HSET', task_key(id), 'pg', progress, 'co', cost, 'cv', conversation == '' and found[7] or conversation, 'ua', now,
  'by', int(bytes), 'tail', tail)
if last < first then return { 'ok', '' } end
add_events(id, found[5], found[6], first, last, data)
return { 'ok', publish() }
