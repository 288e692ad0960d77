import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClaudeServerClient, ConflictError, NotFoundError, ValidationError } from 'claude-code-server-client';

import { collect, first, logOf, textsOf } from './harness/events.js';
import { TestServer } from './harness/server.js';

test('a task is submitted, waited for and read', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: `${server.url}/` });
  const workspace = server.workspace();
  const submitted = await client.submitTask({ prompt: 'say hello', workspace, labels: { team: 'a' } });
  assert.match(submitted.task_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);

  const ended = await client.waitForTask(submitted.task_id);
  assert.deepEqual(
    [ended.status, ended.result?.exit_code, ended.result?.summary, ended.workspace, ended.labels],
    ['completed', 0, 'hello', workspace, { team: 'a' }],
  );
  assert.deepEqual(await client.getTaskStatus(submitted.task_id), ended);
  assert.deepEqual(await collect(client.streamProgress(submitted.task_id)), await logOf(client, submitted.task_id));
  assert.equal((await client.deleteTask(submitted.task_id)).message, `Task ${submitted.task_id} deleted`);
  await assert.rejects(client.getTaskStatus(submitted.task_id), NotFoundError);
});

test('lists are pages, and all of them at once', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const workspace = server.workspace();
  const label = (team: string): { prompt: string; workspace: string; labels: Record<string, string> } => ({
    prompt: 'say x',
    workspace,
    labels: { team },
  });
  const { results } = await client.submitBatch([label('a'), label('b'), { ...label('a'), priority: 1000 }, label('a')]);
  assert.deepEqual(
    results.map(({ status }) => status),
    [200, 200, 422, 200],
  );
  assert.equal(results[2]?.problem?.errors[0]?.pointer, '/priority');
  const ids = results.flatMap(({ task }) => task?.task_id ?? []);

  const all = await collect(client.iterateTasks({ limit: 1, order: 'oldest' }));
  assert.deepEqual(
    all.map(({ task_id }) => task_id),
    ids,
  );
  const wanted = { labels: ['team=a'], createdFrom: new Date(0), workspace };
  const page = await client.listTasks({ ...wanted, limit: 1 });
  assert.deepEqual([page.tasks[0]?.task_id, typeof page.next_cursor], [ids[2], 'string']);
  const rest = await client.listTasks({ ...wanted, cursor: page.next_cursor ?? '' });
  assert.deepEqual([rest.tasks.map(({ task_id }) => task_id), rest.next_cursor ?? null], [[ids[0]], null]);
});

test('a task at work is told something, and stopped', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const { task_id } = await client.submitTask({ prompt: 'say here; hold', workspace: server.workspace() });
  await first(client.streamProgress(task_id), (event) => textsOf([event]).includes('here'));

  const messageId = '6f1f0d5e-6c6c-4c3e-9d0f-1f0d5e6c6c4c';
  assert.deepEqual(await client.sendMessage(task_id, 'say more', { messageId }), { task_id, message_id: messageId });
  const stopped = await client.interruptTask(task_id);
  assert.deepEqual([stopped.task_id, stopped.status], [task_id, 'interrupted']);
  assert.ok(!Number.isNaN(Date.parse(stopped.interrupted_at)));
  await assert.rejects(client.interruptTask(task_id), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.deepEqual([error.status, error.code, error.followsLostAnswer], [409, 'task_finished', false]);
    assert.match(error.requestId ?? '', /./);
    return true;
  });
});

test('a task that waits is made more urgent', async (t) => {
  const server = await TestServer.start(t, { SESSION_MAX_CONCURRENT: '1' });
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const workspace = server.workspace();
  const { task_id: holder } = await client.submitTask({ prompt: 'say here; hold', workspace });
  await first(client.streamProgress(holder), (event) => textsOf([event]).includes('here'));
  const waiting = await client.submitTask({ prompt: 'say x', workspace });
  assert.equal((await client.setPriority(waiting.task_id, 7)).priority, 7);
  await client.interruptTask(holder);
  assert.equal((await client.waitForTask(waiting.task_id)).priority, 7);
});

test('waiting for a task can be given up', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const { task_id } = await client.submitTask({ prompt: 'hold', workspace: server.workspace() });
  const reason = new Error('no more time');
  const abort = new AbortController();
  const waiting = client.waitForTask(task_id, { signal: abort.signal });
  abort.abort(reason);
  await assert.rejects(waiting, reason);
  await client.interruptTask(task_id);
});

test('a body with faults is a ValidationError that names them', async (t) => {
  const server = await TestServer.start(t);
  const client = new ClaudeServerClient({ baseUrl: server.url });
  const task = { prompt: 'say x', workspace: server.workspace(), options: { timeout: -1 } };
  await assert.rejects(client.submitTask(task), (error) => {
    assert.ok(error instanceof ValidationError);
    assert.deepEqual([error.status, error.code, error.faults.length], [422, 'invalid_request', 1]);
    assert.equal(error.faults[0]?.pointer, '/options/timeout');
    assert.match(error.message, /^422 invalid_request: .*\/options\/timeout/);
    return true;
  });
});
