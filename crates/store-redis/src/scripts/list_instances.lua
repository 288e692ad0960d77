-- All instances, and what each has at work.
local list, now = {}, clock()
local leases = call('ZRANGE', P .. 'leases', 0, -1, 'WITHSCORES')
for place = 1, #leases, 2 do
  local id = leases[place]
  local row = call('HMGET', P .. 'instance:' .. id, 'name', 'labels', 'roots', 'started', 'beat', 'draining')
  row[#row + 1] = tonumber(leases[place + 1]) > now and '1' or '0'
  row[#row + 1] = int(call('SCARD', P .. 'work:' .. id))
  row[#row + 1] = id
  list[#list + 1] = row
end
return list
