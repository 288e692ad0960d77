-- Writes something that nobody reads: whoever has no memory left, or may not write, refuses it.
call('SET', P .. 'probe', ARGV[1], 'PX', 60000)
return { 'ok' }
