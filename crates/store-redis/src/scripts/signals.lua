-- How far the news are, the feed's last place, and where some tasks are.
local answer = { call('HGET', META, 'news') or '0', call('HGET', META, 'position') or '0' }
for _, id in ipairs(ARGV) do
  local row = call('HMGET', task_key(id), 'tail', 'st', 'ia')
  answer[#answer + 1] = row[1] and { row[1], row[2], row[3] == '' and '0' or '1' } or { '', '', '' }
end
return answer
