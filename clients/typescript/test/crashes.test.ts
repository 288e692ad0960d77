import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClaudeServerClient, ConnectionError, type Reconnect, type TaskEvent } from 'claude-code-server-client';
import WebSocket from 'ws';

import { collect, first, logOf, textsOf } from './harness/events.js';
import { TestServer } from './harness/server.js';

for (const transport of ['sse', 'websocket'] as const) {
  test(`${transport}: a server is killed in mid-stream and starts again: no event is missed or doubled`, async (t) => {
    const server = await TestServer.start(t);
    const client = new ClaudeServerClient({ baseUrl: server.url, transport, WebSocket });
    const { task_id } = await client.submitTask({
      prompt: 'emit 300 40; say half; hold',
      workspace: server.workspace(),
    });
    const events: TaskEvent[] = [];
    const reconnects: Reconnect[] = [];
    for await (const event of client.streamProgress(task_id, { onReconnect: (one) => reconnects.push(one) })) {
      events.push(event);
      if (!textsOf([event]).includes('half')) continue;
      await server.kill();
      await server.restart();
    }
    assert.deepEqual(events, await logOf(client, task_id));
    assert.deepEqual(
      events.map((event) => event.seq),
      events.map((_, index) => index + 1),
    );
    const last = events.at(-1);
    assert.ok(last?.type === 'complete');
    assert.deepEqual([last.data.status, last.data.exit_code], ['interrupted', 130]);
    assert.ok(reconnects.length > 0);
  });
}

test('a server that ends in order is waited for, and the task goes on', async (t) => {
  const server = await TestServer.start(t, { TASK_ON_RESTART: 'resume' });
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const workspace = server.workspace();
  const { task_id } = await client.submitTask({ prompt: 'sleep 600000', workspace });
  const second = await client.submitTask({ prompt: 'say later', workspace, depends_on: [task_id] });
  const reading = collect(client.streamProgress(second.task_id));
  await server.terminate();
  await server.restart();
  await client.interruptTask(task_id);
  const events = await reading;
  assert.deepEqual(events, await logOf(client, second.task_id));
});

test('whoever waits for a task waits over a crash, too', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url, retry: { maxRetries: 0 } });
  const { task_id } = await client.submitTask({ prompt: 'say here; hold', workspace: server.workspace() });
  await first(client.streamProgress(task_id), (event) => textsOf([event]).includes('here'));
  const waiting = client.waitForTask(task_id);
  await server.kill();
  await server.restart();
  assert.equal((await waiting).status, 'interrupted');
});

test('a server that stays away is a ConnectionError, after as many tries as were asked for', async (t) => {
  const server = await TestServer.start(t);
  const reconnect = { maxRetries: 3, baseDelayMs: 1 };
  const client = new ClaudeServerClient({ baseUrl: server.url, reconnect, retry: { maxRetries: 0 } });
  const { task_id } = await client.submitTask({ prompt: 'say here; hold', workspace: server.workspace() });
  const attempts: number[] = [];
  const reading = (async () => {
    const onReconnect = ({ attempt }: Reconnect): unknown => attempts.push(attempt);
    for await (const event of client.streamProgress(task_id, { onReconnect })) {
      if (textsOf([event]).includes('here')) await server.kill();
    }
  })();
  await assert.rejects(reading, (error) => error instanceof ConnectionError && error.status === undefined);
  assert.deepEqual(attempts, [1, 2, 3]);
  await assert.rejects(client.healthCheck(), ConnectionError);
});
