-- Says whether an instance is to be handed nothing more.
local instance, draining = ARGV[1], ARGV[2]
if call('EXISTS', P .. 'instance:' .. instance) == 0 then return { 'unknown' } end
call('HSET', P .. 'instance:' .. instance, 'draining', draining)
queue_changed()
return { 'ok', publish() }
