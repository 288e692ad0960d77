-- Gives a session back. Under an outdated lease that changes nothing.
local sid, token, instance, conversation, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local row = call('HMGET', session_key(sid), 'tok', 'inst')
if row[1] ~= token or row[2] ~= instance or not alive(instance) then return { 'ok', '' } end
set_conversation(sid, conversation)
call('HSET', session_key(sid), 'la', now)
give_back(sid)
choose(sid)
queue_changed()
return { 'ok', publish() }
