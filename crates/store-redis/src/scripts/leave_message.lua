-- Leaves a message for the instance that runs a task. It is taken at once, or by nobody: then it goes with its mailbox.
local id, most, keep_ms, message = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local row = call('HMGET', task_key(id), 'tok', 'inst')
if not row[1] or row[1] == '' or not alive(row[2]) then return { 'not_at_work' } end
local mail = P .. 'mail:' .. row[2]
if call('LLEN', mail) >= most then return { 'full' } end
call('RPUSH', mail, id, message)
call('PEXPIRE', mail, keep_ms)
flags = 'm'
return { 'ok', publish() }
