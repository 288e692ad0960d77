-- Whole tasks.
local rows = {}
for place, id in ipairs(ARGV) do rows[place] = call('HGETALL', task_key(id)) end
return rows
