-- Counts a request of a caller who may make so many a minute (GCRA): kept is the time at which the caller would have made all that it
-- has made, had it spread them evenly. That may lie up to a minute ahead.
local key, per_minute = P .. 'rate:' .. ARGV[1] .. ':' .. ARGV[2], tonumber(ARGV[2])
local now, minute = clock(), 60000
local cost = minute / per_minute
-- Not further ahead than it can come to be: the clock may have been set back meanwhile.
local due = math.min(math.max(tonumber(call('GET', key) or now), now), now + minute)
local wait = due + cost - now - minute
if wait > 0.001 then return { '0', int(math.ceil(due - now)), int(math.max(math.ceil(wait), 1)) } end
due = due + cost
call('SET', key, string.format('%.4f', due), 'PX', int(math.ceil(due - now)))
return { int(math.floor((minute - (due - now)) / cost + 0.0001)), int(math.ceil(due - now)), '0' }
