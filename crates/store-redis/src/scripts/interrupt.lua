-- Records the wish to stop a task.
local id, now = ARGV[1], ARGV[2]
local row = call('HMGET', task_key(id), 'st', 'tok', 'ia')
if not row[1] then return { 'unknown' } end
if not is_open(row[1]) then return { 'ended', row[1] } end
ask_to_stop(id, now)
local message = row[3] == '' and publish() or ''
return { row[2] == '' and 'waiting' or 'running', message, call('HGETALL', task_key(id)) }
