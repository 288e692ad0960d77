import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ClaudeServerClient,
  ConflictError,
  ForbiddenError,
  NotFoundError,
  UnauthorizedError,
} from 'claude-code-server-client';
import WebSocket from 'ws';

import { collect, first } from './harness/events.js';
import { TestServer } from './harness/server.js';

test('a session is made, used, copied, read and ended', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const workspace = server.workspace();
  const { session_id } = await client.createSession(workspace, { sessionId: 'review' });
  assert.equal(session_id, 'review');
  await assert.rejects(client.createSession(workspace, { sessionId: 'review' }), ConflictError);

  const session = { reuse_existing: true, session_id };
  const { task_id } = await client.submitTask({ prompt: 'say one', workspace, session });
  await client.waitForTask(task_id);
  assert.deepEqual((await client.getSession('review')).tasks, [task_id]);

  const copy = await client.forkSession('review');
  const sessions = await client.listSessions();
  assert.deepEqual(
    sessions.map((one) => one.session_id),
    ['review', copy.session_id],
  );
  assert.equal((await client.deleteSession(copy.session_id)).message, `Session ${copy.session_id} deleted`);
  await assert.rejects(client.deleteSession('nobody'), NotFoundError);
});

test('a busy session is ended only by force', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const { task_id, session_id } = await client.submitTask({ prompt: 'hold', workspace: server.workspace() });
  await assert.rejects(client.deleteSession(session_id), (error) => {
    return error instanceof ConflictError && error.code === 'session_busy';
  });
  await client.deleteSession(session_id, { force: true });
  assert.equal((await client.waitForTask(task_id)).status, 'interrupted');
});

test('the server says how it is and what it can do', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const health = await client.healthCheck();
  assert.deepEqual([typeof health.status, health.active_tasks], ['string', 0]);
  assert.equal(await client.isReady(), true);
  const capabilities = await client.getCapabilities();
  assert.equal(capabilities.version, health.version);
  assert.ok(capabilities.event_types.includes('complete'));
  assert.deepEqual(await client.listInstances(), []);
  await assert.rejects(client.drainInstance('x'), NotFoundError);
  await assert.rejects(client.undrainInstance('x'), NotFoundError);
});

test('a key that cannot be one is refused and not repeated', async () => {
  for (const apiKey of ['hush\nhush', 'hush hush', 'hush\u00e4']) {
    const client = new ClaudeServerClient({ baseUrl: 'http://127.0.0.1:1', apiKey });
    await assert.rejects(
      client.listSessions(),
      (error) => error instanceof TypeError && !error.message.includes('hush'),
    );
  }
});

test('keys are shown in a header: none is 401, a wrong one 403, a function gives the right one', async (t) => {
  const server = await TestServer.start(t, { API_AUTH_ENABLED: 'true', API_API_KEY: 'k-right' });
  const baseUrl = server.url;
  await assert.rejects(new ClaudeServerClient({ baseUrl }).listSessions(), UnauthorizedError);
  await assert.rejects(new ClaudeServerClient({ baseUrl, apiKey: 'k-wrong' }).listSessions(), ForbiddenError);
  const urls: string[] = [];
  const client = new ClaudeServerClient({
    baseUrl,
    apiKey: () => Promise.resolve('k-right'),
    WebSocket,
    fetch: (url, init) => {
      urls.push(url instanceof Request ? url.url : url.toString());
      return fetch(url, init);
    },
  });
  const { task_id } = await client.submitTask({ prompt: 'say x', workspace: server.workspace() });
  const events = await collect(client.streamProgress(task_id));
  assert.equal(events.at(-1)?.type, 'complete');
  assert.ok(!urls.join().includes('k-right'), urls.join());

  // Over a WebSocket by a ticket, for one task and for all of them.
  const socket = { transport: 'websocket', after: 0 } as const;
  assert.deepEqual(await collect(client.streamProgress(task_id, socket)), events);
  const { event } = await first(client.streamAllEvents(socket), (one) => one.event.type === 'complete');
  assert.deepEqual(event, events.at(-1));

  // A ticket opens its stream once.
  const { ticket } = await client.createTicket(task_id);
  const open = async (): Promise<number> =>
    (await fetch(`${baseUrl}/api/v1/tasks/${task_id}/events?ticket=${ticket}`)).status;
  assert.deepEqual([await open(), await open()], [200, 401]);
});

test('what the key function throws is thrown, and a wrong address is told at once', async () => {
  const failure = new Error('no token');
  const client = new ClaudeServerClient({
    apiKey: () => {
      throw failure;
    },
  });
  await assert.rejects(client.healthCheck(), failure);
  for (const baseUrl of ['localhost:8000', 'ftp://x', 'http://key@localhost', 'http://localhost?x=1']) {
    assert.throws(() => new ClaudeServerClient({ baseUrl }), TypeError, baseUrl);
  }
});
