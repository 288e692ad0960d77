-- Makes a session before its first task.
local sid, principal, workspace, fork, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if call('EXISTS', session_key(sid)) == 1 then return { 'taken' } end
local copied = ''
if fork ~= '' then
  local row = call('HMGET', session_key(fork), 'pr', 'ws')
  if row[1] ~= principal then return { 'no_session' } end
  copied = conversation_of(fork)
  if copied == '' then return { 'nothing_to_fork' } end
  workspace = row[2]
end
if workspace == '' then return { 'no_workspace' } end
new_session(sid, principal, workspace, copied, now)
note_empty(sid)
return { 'ok', '', call('HGETALL', session_key(sid)) }
