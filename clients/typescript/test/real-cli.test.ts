import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClaudeServerClient, ConflictError, formatEvent } from 'claude-code-server-client';

import { collect, first } from './harness/events.js';
import { pinnedCli, TestServer } from './harness/server.js';

test('a question of the real CLI is answered, and the conversation is read', async (t) => {
  const server = await TestServer.start(t, {}, pinnedCli());
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const { task_id, session_id } = await client.submitTask({
    prompt: '[[write a.txt hello]] [[say written]]',
    workspace: server.workspace(),
    options: { on_question: 'ask', permission_mode: 'default', allowed_tools: [] },
  });
  const asked = await first(
    client.streamProgress(task_id),
    (event) => event.type === 'message' && event.data.subtype === 'agent_question',
  );
  assert.match(formatEvent(asked) ?? '', /^ {3}question {2}./);
  const { question } = await client.getTaskStatus(task_id);
  assert.deepEqual([question?.tool_name, question?.tool_input?.['content']], ['Write', 'hello']);

  const question_id = question?.question_id ?? '';
  const denied = { question_id, decision: 'deny', message: '[[say not written]]' } as const;
  assert.equal((await client.answerQuestion(task_id, denied)).task_id, task_id);
  // The same answer may be given again, another one not.
  await client.answerQuestion(task_id, denied);
  await assert.rejects(client.answerQuestion(task_id, { question_id, decision: 'allow' }), ConflictError);

  const events = await collect(client.streamProgress(task_id, { after: asked.seq }));
  assert.equal(events[0]?.seq, (asked.seq ?? 0) + 1);
  assert.equal((await client.waitForTask(task_id)).result?.summary, 'not written');
  const transcript = await client.getTranscript(session_id);
  assert.equal(transcript[0]?.type, 'user');
  assert.match(JSON.stringify(transcript[0].message), /\[\[write a\.txt hello\]\]/);
  assert.match(JSON.stringify(transcript.at(-1)?.message), /not written/);
});
