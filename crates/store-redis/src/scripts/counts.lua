-- How much goes on at that time.
local not_begun, begun = call('ZCARD', P .. 'waiting'), call('SCARD', P .. 'begun')
local scheduled = call('ZCOUNT', P .. 'scheduled', '(' .. ARGV[1], '+inf')
return { not_begun - begun - scheduled, scheduled, call('ZCARD', P .. 'running'), begun, call('SCARD', P .. 'held') }
