-- How many go before a waiting task; those that are parked until later do not.
local place = call('ZSCORE', P .. 'waiting', ARGV[1])
if not place then return false end
return call('ZCOUNT', P .. 'waiting', '-inf', '(' .. place) - call('ZCOUNT', P .. 'parked', '-inf', '(' .. place)
