-- What every script begins with. KEYS[1] is the prefix: its hash tag puts all keys into one slot of a cluster.
local P = KEYS[1]
local META = P .. 'meta'
local call = redis.call

-- Lua writes large numbers with an exponent.
local function int(number)
  return string.format('%.0f', number)
end

local function task_key(id)
  return P .. 'task:' .. id
end

local function session_key(id)
  return P .. 'session:' .. id
end

-- Leases go by the time of Redis alone, in milliseconds.
local function clock()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function alive(instance)
  local ends = instance and call('ZSCORE', P .. 'leases', instance)
  return ends and tonumber(ends) > clock()
end

local function is_open(status)
  return status == 'pending' or status == 'running'
end
