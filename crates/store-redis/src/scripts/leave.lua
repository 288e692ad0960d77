-- Ends an instance's lease at its own wish.
local me = ARGV[1]
if not call('ZSCORE', P .. 'leases', me) then return { 'ok', '' } end
call('ZADD', P .. 'leases', 0, me)
if forget_if_done(me) then return { 'ok', '' } end
take_over_wanted()
return { 'ok', publish() }
