-- Takes all that was left for an instance.
local mail = P .. 'mail:' .. ARGV[1]
local left = call('LRANGE', mail, 0, -1)
call('DEL', mail)
return left
