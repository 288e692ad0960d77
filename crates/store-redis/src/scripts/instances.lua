-- Instances. What a dead one holds stays noted until somebody has taken it over.

local function holds_something(instance)
  return call('EXISTS', P .. 'held:' .. instance, P .. 'work:' .. instance) > 0
end

local function forget_if_done(instance)
  if holds_something(instance) then return false end
  local name = call('HGET', P .. 'instance:' .. instance, 'name')
  if name and call('HGET', P .. 'names', name) == instance then call('HDEL', P .. 'names', name) end
  call('ZREM', P .. 'leases', instance)
  call('DEL', P .. 'instance:' .. instance, P .. 'mail:' .. instance, P .. 'taken:' .. instance)
  return true
end

local function take_over_wanted()
  flags = 't'
end
