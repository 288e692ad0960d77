-- The waiting tasks that are to be ended without an agent; not so many that their prompts fill the memory, since each that ends
-- wakes who asks again.
local rows = {}
for place, id in ipairs(call('ZRANGE', P .. 'doomed', 0, 31)) do rows[place] = call('HGETALL', task_key(id)) end
return rows
