-- Forgets a task that has ended. Its session stays.
local id = ARGV[1]
local status = call('HGET', task_key(id), 'st')
if not status then return { 'unknown' } end
if is_open(status) then return { 'not_ended', status } end
if is_needed(id) then return { 'needed' } end
drop_task(id)
return { 'ok', '' }
