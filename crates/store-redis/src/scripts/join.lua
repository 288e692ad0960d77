-- Makes an instance. One that has begun under the same name before is dead from now on.
local name, lease, labels, roots, version, own = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local found = call('HGET', META, 'version')
if found and found ~= version then return { 'version', found } end
local now = clock()
local earlier = call('HGET', P .. 'names', name)
if earlier then
  -- Who comes back after it lost its lease must not push out its successor.
  if own ~= '' and own ~= earlier and alive(earlier) then return { 'replaced' } end
  if call('ZSCORE', P .. 'leases', earlier) then
    call('ZADD', P .. 'leases', 0, earlier)
    forget_if_done(earlier)
  end
end
local instance = name .. ':' .. int(call('HINCRBY', META, 'opened', 1))
call('HSET', META, 'version', version)
call('HSET', P .. 'names', name, instance)
call('ZADD', P .. 'leases', now + lease, instance)
call('HSET', P .. 'instance:' .. instance, 'name', name, 'labels', labels, 'roots', roots, 'started', int(now), 'beat', int(now),
  'draining', '0')
return { 'ok', publish(), instance }
