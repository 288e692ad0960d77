-- How much goes on.
local waiting, begun = call('ZCARD', P .. 'waiting'), call('SCARD', P .. 'begun')
return { waiting - begun, call('ZCARD', P .. 'running'), begun, call('SCARD', P .. 'held') }
