-- The waiting tasks that are to be ended without an agent.
local rows = {}
for place, id in ipairs(call('ZRANGE', P .. 'doomed', 0, 999)) do rows[place] = call('HGETALL', task_key(id)) end
return rows
