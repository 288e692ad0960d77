-- Removes some of what dropped tasks have left in the log and the feed; tells how many tasks are still to be swept.
local number = call('LINDEX', P .. 'garbage', 0)
if not number then return 0 end
local log, notices = P .. 'log:' .. number, P .. 'notices:' .. number
local entries = call('XRANGE', log, '-', '+', 'COUNT', 32)
for _, entry in ipairs(entries) do
  call('XDEL', P .. 'feed', entry[2][4] .. '-0')
  call('XDEL', log, entry[1])
end
if #entries == 0 then
  for _, position in ipairs(call('LRANGE', notices, 0, -1)) do call('XDEL', P .. 'feed', position .. '-0') end
  call('UNLINK', log, notices)
  call('LPOP', P .. 'garbage')
end
return call('LLEN', P .. 'garbage')
