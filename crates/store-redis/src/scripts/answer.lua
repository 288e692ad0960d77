-- Takes the answer to the question that is open; whoever sent it has looked at the task before.
local id, question, answer, at, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = task_key(id)
local row = call('HMGET', key, 'qid', 'qo', 'qa', 'st')
if row[1] ~= question or not is_open(row[4]) then return { 'changed' } end
local answered = '{"question":' .. row[2] .. ',"answer":' .. answer .. ',"at":' .. at .. '}'
dequeue(id)
call('HSET', key, 'qo', '', 'qid', '', 'qa', row[3] == '' and answered or row[3] .. ',' .. answered, 'ua', now, 'wu', now)
notify(id, now)
enqueue(id)
return { 'ok', publish(), call('HGETALL', key) }
