-- How far the news are, the feed's last place, and which tasks have some names and where they are.
local answer = { call('HGET', META, 'news') or '0', call('HGET', META, 'position') or '0' }
for _, id in ipairs(ARGV) do
  local row = call('HMGET', task_key(id), 'n', 'tail', 'st', 'ia')
  answer[#answer + 1] = row[1] and { row[1], row[2], row[3], row[4] == '' and '0' or '1' } or {}
end
return answer
