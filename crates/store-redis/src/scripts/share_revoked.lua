-- Keys that were revoked at any instance. The oldest are forgotten when there are more than anybody has.
local now, key = clock(), P .. 'revoked'
for _, id in ipairs(ARGV) do call('ZADD', key, 'NX', now, id) end
if #ARGV > 0 then call('ZREMRANGEBYRANK', key, 0, -100001) end
return call('ZRANGE', key, 0, -1)
