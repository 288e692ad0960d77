import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ClaudeServerClient,
  NotFoundError,
  type Reconnect,
  type TaskEvent,
  type Transport,
} from 'claude-code-server-client';
import WebSocket from 'ws';

import { collect, first, logOf, textsOf } from './harness/events.js';
import { cutAtEvent, Proxy } from './harness/proxy.js';
import { TestServer } from './harness/server.js';

const TRANSPORTS: Transport[] = ['sse', 'websocket'];
const EVENTS = 10_000;

for (const transport of TRANSPORTS) {
  test(`${transport}: cut every 200 events, all 10,000 come once and in order`, async (t) => {
    const server = await TestServer.start(t);
    const proxy = await Proxy.start(t, server.url, cutAtEvent(200));
    const direct = new ClaudeServerClient({ baseUrl: server.url });
    const client = new ClaudeServerClient({ baseUrl: proxy.url, transport, WebSocket });
    const { task_id } = await direct.submitTask({ prompt: `emit ${String(EVENTS)} 40`, workspace: server.workspace() });

    const reconnects: Reconnect[] = [];
    const events = await collect(client.streamProgress(task_id, { onReconnect: (one) => reconnects.push(one) }));

    assert.deepEqual(events, await logOf(direct, task_id));
    assert.deepEqual(
      events.map((event) => event.seq),
      events.map((_, index) => index + 1),
    );
    assert.ok(events.length > EVENTS, String(events.length));
    assert.equal(textsOf(events).length, EVENTS);
    // Each connection brought 199 whole events, and was cut in the next one.
    assert.equal(proxy.cuts, Math.floor(events.length / 199));
    assert.equal(reconnects.length, proxy.cuts);
    assert.deepEqual(
      reconnects.map(({ cursor, attempt }) => [cursor, attempt]),
      reconnects.map((_, index) => [199 * (index + 1), 1]),
    );
  });

  test(`${transport}: goes on after a cursor, and has nothing to tell after the last event`, async (t) => {
    const server = await TestServer.start(t);
    const client = new ClaudeServerClient({ baseUrl: server.url, transport, WebSocket });
    const { task_id } = await client.submitTask({ prompt: 'say one; say two', workspace: server.workspace() });
    const all = await collect(client.streamProgress(task_id));
    assert.deepEqual(await collect(client.streamProgress(task_id, { after: 2 })), all.slice(2));
    assert.deepEqual(await collect(client.streamProgress(task_id, { after: all.length })), []);
  });

  test(`${transport}: a task that is not there is a NotFoundError`, async (t) => {
    const server = await TestServer.start(t);
    const client = new ClaudeServerClient({ baseUrl: server.url, transport, WebSocket });
    await assert.rejects(collect(client.streamProgress('nobody')), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.deepEqual([error.name, error.status, error.code], ['NotFoundError', 404, 'task_not_found']);
      assert.equal(error.detail, 'there is no task "nobody"');
      return true;
    });
  });

  test(`${transport}: leaving the loop, or a signal, closes the connection`, async (t) => {
    const server = await TestServer.start(t);
    const proxy = await Proxy.start(t, server.url, () => () => undefined);
    const direct = new ClaudeServerClient({ baseUrl: server.url });
    const client = new ClaudeServerClient({ baseUrl: proxy.url, transport, WebSocket });
    const { task_id } = await direct.submitTask({ prompt: 'say here; hold', workspace: server.workspace() });

    await first(client.streamProgress(task_id));
    await proxy.idle();

    const abort = new AbortController();
    const reason = new Error('enough');
    const reading = collect(client.streamProgress(task_id, { signal: abort.signal }));
    await first(direct.streamProgress(task_id), (event) => textsOf([event]).includes('here'));
    abort.abort(reason);
    await assert.rejects(reading, reason);
    await proxy.idle();
    await direct.interruptTask(task_id);
  });

  test(`${transport}: the feed of all tasks brings each event once, over cut connections`, async (t) => {
    const server = await TestServer.start(t);
    const proxy = await Proxy.start(t, server.url, cutAtEvent(10));
    const direct = new ClaudeServerClient({ baseUrl: server.url });
    const client = new ClaudeServerClient({ baseUrl: proxy.url, transport, WebSocket });
    const { task_id } = await direct.submitTask({ prompt: 'emit 95 20', workspace: server.workspace() });
    await direct.waitForTask(task_id);

    const log = await logOf(direct, task_id);
    const cursors: number[] = [];
    for await (const { cursor, event } of client.streamAllEvents({ after: 0, type: ['message', 'complete'] })) {
      cursors.push(cursor);
      if (event.type === 'complete') break;
    }
    const wanted = log.filter((event) => event.type === 'message' || event.type === 'complete');
    assert.equal(cursors.length, wanted.length);
    assert.deepEqual(
      cursors,
      [...new Set(cursors)].sort((a, b) => a - b),
    );
    assert.ok(proxy.cuts >= 9, String(proxy.cuts));
  });
}

test('the feed begins now, and tells of tasks that have not ended', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const workspace = server.workspace();
  await client.waitForTask((await client.submitTask({ prompt: 'say old', workspace })).task_id);

  let isPlaced: () => void = () => undefined;
  const placed = new Promise<void>((resolve) => (isPlaced = resolve));
  const reader = new ClaudeServerClient({
    baseUrl: server.url,
    // The reader's place is taken by the first request; the second one is the stream.
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      isPlaced();
      return answer;
    },
  });
  const feed = reader.streamAllEvents();
  const beginning = feed.next();
  await placed;
  const { next_after } = await client.getAllEvents();
  const { task_id } = await client.submitTask({ prompt: 'say new', workspace });
  const events = [(await beginning).value?.event];
  for await (const { event } of feed) {
    events.push(event);
    if (event.type === 'complete') break;
  }
  assert.deepEqual(new Set(events.map((event) => event?.task_id)), new Set([task_id]));
  assert.ok(events.some((event) => event?.type === 'status' && event.data.status === 'running'));
  const { events: page } = await client.getAllEvents({ after: next_after, taskId: task_id, type: ['complete'] });
  assert.deepEqual(page, [events.at(-1)]);
});

/** Where a reader is that has taken one event while as many wait as may: a thousand, or 16 million characters. */
function heldBy(log: TaskEvent[]): number {
  let characters = 0;
  const ends = log.slice(1).map((event) => (characters += JSON.stringify(event).length));
  const large = ends.findIndex((end) => end >= 16_000_000);
  return 1 + (large < 0 ? 1_000 : large + 1);
}

for (const prompt of ['emit 3000 40', 'emit 25 1000000']) {
  test(`websocket: a slow reader of \`${prompt}\` holds a bounded part of it, and misses none`, async (t) => {
    const server = await TestServer.start(t);
    const proxy = await Proxy.start(t, server.url, () => () => undefined);
    const direct = new ClaudeServerClient({ baseUrl: server.url });
    const client = new ClaudeServerClient({ baseUrl: proxy.url, transport: 'websocket', WebSocket });
    const { task_id } = await direct.submitTask({ prompt, workspace: server.workspace() });
    await direct.waitForTask(task_id);
    const log = await logOf(direct, task_id);

    const cursors: (number | undefined)[] = [];
    const onReconnect = ({ cursor }: Reconnect): unknown => cursors.push(cursor);
    const events = [];
    for await (const event of client.streamProgress(task_id, { onReconnect })) {
      events.push(event);
      // Until the client has let go of the connection, because too much waits for this reader.
      if (events.length === 1) await proxy.idle();
    }
    assert.deepEqual(events, log);
    assert.equal(cursors[0], heldBy(log));
  });
}

test('without a WebSocket the way of that name is refused, and `auto` goes by SSE', async (t) => {
  const server = await TestServer.start(t);
  const { task_id } = await new ClaudeServerClient({ baseUrl: server.url }).submitTask({
    prompt: 'say x',
    workspace: server.workspace(),
  });
  const client = new ClaudeServerClient({ baseUrl: server.url, WebSocket: undefined });
  assert.equal((await collect(client.streamProgress(task_id))).at(-1)?.type, 'complete');
  if ('WebSocket' in globalThis) return;
  const bare = new ClaudeServerClient({ baseUrl: server.url, transport: 'websocket' });
  await assert.rejects(collect(bare.streamProgress(task_id)), TypeError);
});
