-- Forgets a session that nothing runs or waits in.
local sid = ARGV[1]
local token = call('HGET', session_key(sid), 'tok')
if not token then return { 'unknown' } end
local open = call('ZRANGE', P .. 'open:' .. sid, 0, -1)
if #open > 0 then return { 'busy', open } end
if token ~= '' then return { 'held' } end
local forks = unbegun_forks(sid)
if #forks > 0 then return { 'forked', forks } end
local deleted = drop_session(sid)
call('DEL', P .. 'of:' .. sid)
return { 'ok', '', deleted }
