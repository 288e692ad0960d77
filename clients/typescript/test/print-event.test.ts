import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClaudeServerClient, formatEvent, printEvent } from 'claude-code-server-client';

import { collect } from './harness/events.js';
import { TestServer } from './harness/server.js';

test('the events of a real task are printed as readable lines', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const prompt = 'tool Bash {"command":"ls -l"}; toolend; say line one; cost 0.25';
  const { task_id } = await client.submitTask({ prompt, workspace: server.workspace() });
  const printed: string[] = [];
  t.mock.method(console, 'log', (line: string) => printed.push(line));
  for (const event of await collect(client.streamProgress(task_id))) printEvent(event);
  t.mock.restoreAll();
  const labels = printed.map((line) => line.trimStart().split('  ')[0]);
  assert.ok(labels.includes('tool') && labels.includes('result') && labels.includes('progress'), labels.join());
  assert.ok(printed.includes('       tool  Bash ls -l'), printed.join('\n'));
  assert.ok(printed.includes('      agent  line one'), printed.join('\n'));
  assert.match(printed.at(-1) ?? '', /^ {2}completed {2}\d+ turns, 15 tokens, 0 files modified, \d+\.\d s, \$0\.2500$/);
});

test('a long text is cut, and nothing takes over the terminal or hides', () => {
  const said = (content: string): string | undefined =>
    formatEvent({
      type: 'message',
      timestamp: '',
      task_id: 't',
      data: { message_type: 'assistant', content },
    });
  assert.equal(said(`\u001b[2J${'😀'.repeat(400)}`), `      agent   [2J${'😀'.repeat(296)}…`);
  assert.equal(said('\u{1F469}\u200D\u{1F4BB}'), '      agent  \u{1F469}\u200D\u{1F4BB}');
  assert.equal(said('a\u009b2Jb\u202ec\u2066d\u200be\u2028f'), '      agent  a 2Jb\uFFFDc\uFFFDd\uFFFDe\uFFFDf');
  assert.equal(said('Grüße, שלום, हिन्दी'), '      agent  Grüße, שלום, हिन्दी');
});
