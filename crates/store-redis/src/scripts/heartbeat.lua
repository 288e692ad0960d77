-- Renews a lease that has not ended; tells whether there is something to be taken over.
local me, lease = ARGV[1], tonumber(ARGV[2])
local now = clock()
if not alive(me) then
  local name = call('HGET', P .. 'instance:' .. me, 'name')
  local replaced = name and call('HGET', P .. 'names', name) ~= me
  return { replaced and 'replaced' or 'ended' }
end
call('ZADD', P .. 'leases', now + lease, me)
call('HSET', P .. 'instance:' .. me, 'beat', int(now))
local left = 0
for _, dead in ipairs(call('ZRANGEBYSCORE', P .. 'leases', '-inf', now)) do
  if not forget_if_done(dead) then left = left + 1 end
end
return { 'held', left, call('HGET', P .. 'instance:' .. me, 'draining'), call('HGET', META, 'epoch') or '' }
