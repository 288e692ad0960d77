-- Makes a waiting task more or less urgent.
local id, priority, now = ARGV[1], ARGV[2], ARGV[3]
local row = call('HMGET', task_key(id), 'st', 'tok', 'prio')
if not row[1] then return { 'unknown' } end
if row[2] ~= '' or not is_open(row[1]) then return { 'not_waiting', row[1] } end
if row[3] == priority then return { 'ok', '', call('HGETALL', task_key(id)) } end
dequeue(id)
call('HSET', task_key(id), 'prio', priority, 'ua', now)
enqueue(id)
return { 'ok', publish(), call('HGETALL', task_key(id)) }
