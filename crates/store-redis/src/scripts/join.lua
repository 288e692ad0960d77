-- Makes an instance. One that has begun under the same name before is dead from now on.
local name, lease, labels, roots, version = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local own, attempt, draining = ARGV[6], ARGV[7], ARGV[8]
local known, missed, seen = ARGV[9], ARGV[10], tonumber(ARGV[11])
local found = call('HGET', META, 'version')
if found and found ~= version then return { 'version', found } end
-- Who comes back still drains, whoever told it so.
if own ~= '' and call('HGET', P .. 'instance:' .. own, 'draining') == '1' then draining = '1' end
-- Whoever misses commits begins an epoch, once for all: every server that joined in the one before has to join again.
local epoch = call('HGET', META, 'epoch') or ''
if missed == '1' and epoch == known then
  epoch = attempt
  call('HSET', META, 'epoch', epoch)
end
-- What was given out before commits were lost is not given out again.
if tonumber(call('HGET', META, 'token') or 0) < seen then call('HSET', META, 'token', int(seen)) end
local now = clock()
local earlier = call('HGET', P .. 'names', name)
if earlier then
  local begun = call('HMGET', P .. 'instance:' .. earlier, 'attempt', 'above')
  -- The answer was lost, not the beginning.
  if begun[1] == attempt and alive(earlier) then return { 'ok', '', earlier, begun[2], epoch } end
  -- Who comes back after it lost its lease must not push out its successor.
  if own ~= '' and own ~= earlier and alive(earlier) then return { 'replaced' } end
  if call('ZSCORE', P .. 'leases', earlier) then
    call('ZADD', P .. 'leases', 0, earlier)
    forget_if_done(earlier)
  end
end
local above = int(call('HINCRBY', META, 'token', 1))
local instance = name .. ':' .. int(call('HINCRBY', META, 'opened', 1))
call('HSET', META, 'version', version)
call('HSET', P .. 'names', name, instance)
call('ZADD', P .. 'leases', now + lease, instance)
call('HSET', P .. 'instance:' .. instance, 'name', name, 'labels', labels, 'roots', roots, 'started', int(now), 'beat', int(now),
  'draining', draining, 'attempt', attempt, 'above', above)
return { 'ok', publish(), instance, above, epoch }
