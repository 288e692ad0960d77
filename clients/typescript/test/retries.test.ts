import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClaudeServerClient, ConnectionError, RateLimitedError, UnavailableError } from 'claude-code-server-client';

import { first, textsOf } from './harness/events.js';
import { loseFirstAnswer, Proxy } from './harness/proxy.js';
import { TestServer } from './harness/server.js';

const ONCE = { maxRetries: 0 };

test('an answer that was lost is asked for again, and nothing is done twice', async (t) => {
  const server = await TestServer.start(t);
  const direct = new ClaudeServerClient({ baseUrl: server.url });
  const workspace = server.workspace();
  /** A client whose first answer is lost after the server has given it. */
  const unlucky = async (): Promise<ClaudeServerClient> => {
    const proxy = await Proxy.start(t, server.url, loseFirstAnswer());
    return new ClaudeServerClient({ baseUrl: proxy.url, retry: { baseDelayMs: 1 } });
  };

  const { task_id } = await (await unlucky()).submitTask({ prompt: 'say here; hold', workspace });
  const { tasks } = await direct.listTasks();
  assert.deepEqual(
    tasks.map((task) => task.task_id),
    [task_id],
  );
  await first(direct.streamProgress(task_id), (event) => textsOf([event]).includes('here'));
  const { message_id } = await (await unlucky()).sendMessage(task_id, 'say more');
  const told = (await direct.getEvents(task_id)).events.filter(
    (event) => event.type === 'message' && event.data.data?.['message_id'] === message_id,
  );
  assert.equal(told.length, 1);

  assert.equal((await (await unlucky()).interruptTask(task_id)).status, 'interrupted');
  const { session_id } = await (await unlucky()).createSession(workspace);
  assert.equal((await direct.getSession(session_id)).workspace, workspace);
  assert.deepEqual(await (await unlucky()).deleteSession(session_id), { message: `Session ${session_id} deleted` });
  assert.deepEqual(await (await unlucky()).deleteTask(task_id), { message: `Task ${task_id} deleted` });
});

test('without retries a lost answer is a ConnectionError', async (t) => {
  const server = await TestServer.start(t);
  const proxy = await Proxy.start(t, server.url, loseFirstAnswer());
  const client = new ClaudeServerClient({ baseUrl: proxy.url, retry: ONCE });
  await assert.rejects(client.healthCheck(), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, /^the server cannot be reached: ./);
    return true;
  });
  assert.equal((await client.healthCheck()).active_tasks, 0);
});

test('too many requests are a RateLimitedError', async (t) => {
  const server = await TestServer.start(t, { API_RATE_LIMIT_ENABLED: 'true', API_RATE_LIMIT_PER_MINUTE: '2' });
  const client = new ClaudeServerClient({ baseUrl: server.url, retry: ONCE });
  await client.getCapabilities();
  await client.getCapabilities();
  await assert.rejects(client.getCapabilities(), (error) => {
    assert.ok(error instanceof RateLimitedError);
    assert.deepEqual([error.status, error.code, typeof error.retryAfter], [429, 'rate_limited', 'number']);
    assert.ok(Number(error.retryAfter) > 0 && Number(error.retryAfter) <= 30, error.message);
    return true;
  });
});

test('a full queue is an UnavailableError, and a pause that is too long is not made', async (t) => {
  const server = await TestServer.start(t, { SESSION_MAX_CONCURRENT: '1', TASK_MAX_QUEUE_SIZE: '1' });
  const client = new ClaudeServerClient({ baseUrl: server.url, retry: { maxRetryAfterMs: 0 } });
  const workspace = server.workspace();
  const { task_id } = await client.submitTask({ prompt: 'say here; hold', workspace });
  await first(client.streamProgress(task_id), (event) => textsOf([event]).includes('here'));
  const next = await client.submitTask({ prompt: 'say next', workspace });
  await assert.rejects(client.submitTask({ prompt: 'say no', workspace }), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.deepEqual([error.status, error.code, typeof error.retryAfter], [503, 'queue_full', 'number']);
    return true;
  });
  await client.interruptTask(task_id);
  assert.equal((await client.waitForTask(next.task_id)).result?.summary, 'next');
});

test('a signal ends a pause between two tries', async () => {
  // Nobody listens at port 1.
  const client = new ClaudeServerClient({
    baseUrl: 'http://127.0.0.1:1',
    retry: { baseDelayMs: 60_000, maxDelayMs: 60_000 },
  });
  await assert.rejects(client.healthCheck({ signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
});
