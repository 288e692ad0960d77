import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClaudeServerClient, ClaudeServerError, ConnectionError, formatEvent } from 'claude-code-server-client';

import { collect } from './harness/events.js';
import { imitate } from './harness/imitation.js';

const complete = {
  type: 'complete',
  timestamp: '2026-01-19T10:00:05.123Z',
  task_id: 't',
  seq: 3,
  data: { task_id: 't', status: 'paused', exit_code: 0, summary: 'ä€😀', errors: [], total_cost_usd: 0 },
};

test('a newer server: unknown types, fields, words and lines of its stream break nothing', async (t) => {
  const message = {
    ...complete,
    type: 'message',
    seq: 1,
    mood: 'good',
    data: { message_type: 'sung', content: 'ä€😀' },
  };
  const unknown = { ...complete, type: 'hologram', seq: 2, data: { depth: 3 } };
  const stream = [
    'retry: 1000\r\n\r\n: a comment\r\n\r\nfuture: field\r\n',
    `id: 1\r\nevent: message\r\ndata: ${JSON.stringify(message)}\r\n\r\n`,
    `id: 2\r\nevent: hologram\r\ndata: ${JSON.stringify(unknown)}\r\n\r\n`,
    'event: weather\ndata: {"sun":true}\n\n',
    `id: 3\ndata: ${JSON.stringify(complete)}\n\n`,
  ].join('');
  const baseUrl = await imitate(t, (request, response) => {
    assert.deepEqual([request.url, request.headers.accept], ['/api/v1/tasks/t/events', 'text/event-stream']);
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    // Byte by byte: no border of a line or a character is where a chunk ends.
    for (const byte of Buffer.from(stream)) response.write(Buffer.of(byte));
    response.end();
  });
  const events = await collect(new ClaudeServerClient({ baseUrl }).streamProgress('t'));
  assert.deepEqual(events, [message, unknown, complete]);
  assert.deepEqual(events.map(formatEvent).slice(0, 2), [undefined, undefined]);
});

test('a gap in the numbers is a lost connection, and what came twice is left out', async (t) => {
  const event = (seq: number): string =>
    `id: ${String(seq)}\ndata: ${JSON.stringify(seq === 3 ? complete : { ...complete, type: 'error', seq })}\n\n`;
  const answers = [event(1) + event(3), event(1) + event(2) + event(2) + event(3)];
  const asked: (string | undefined)[] = [];
  const baseUrl = await imitate(t, (request, response) => {
    asked.push(request.url);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(answers.shift());
  });
  const events = await collect(new ClaudeServerClient({ baseUrl }).streamProgress('t'));
  assert.deepEqual(
    events.map((one) => one.seq),
    [1, 2, 3],
  );
  assert.deepEqual(asked, ['/api/v1/tasks/t/events', '/api/v1/tasks/t/events?after=1']);
});

test('a stream that falls silent is connected again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let connections = 0;
  const baseUrl = await imitate(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (++connections === 1) response.write(': here\n\n');
    else response.end(`id: 1\ndata: ${JSON.stringify({ ...complete, seq: 1 })}\n\n`);
  });
  const errors: unknown[] = [];
  const onReconnect = ({ error }: { error: unknown }): unknown => errors.push(error);
  const state = { isOver: false };
  const reading = collect(new ClaudeServerClient({ baseUrl }).streamProgress('t', { onReconnect })).finally(() => {
    state.isOver = true;
  });
  while (!state.isOver) {
    t.mock.timers.tick(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await reading).length, 1);
  assert.equal(connections, 2);
  assert.equal((errors[0] as ConnectionError).detail, 'the stream brought nothing within 45 s');
});

test('a request that gets no answer in time is a ConnectionError', async (t) => {
  const baseUrl = await imitate(t, () => undefined);
  const client = new ClaudeServerClient({ baseUrl, timeoutMs: 20, retry: { maxRetries: 1, baseDelayMs: 1 } });
  await assert.rejects(client.healthCheck(), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.message, 'the server did not answer within 0.02 s');
    assert.equal(error.followsLostAnswer, true);
    return true;
  });
});

test('a server that says "later" is given the time that it asks for, by seconds or by date', async (t) => {
  const later = ['1', () => new Date(Date.now() + 1_000).toUTCString()] as const;
  const times: number[] = [];
  const health = {
    status: 'healthy',
    version: '9',
    active_sessions: 0,
    active_tasks: 0,
    uptime_seconds: 1,
    reasons: [],
  };
  const baseUrl = await imitate(t, (_, response) => {
    times.push(Date.now());
    const wait = later[times.length - 1];
    if (wait === undefined) response.end(JSON.stringify(health));
    else response.writeHead(429, { 'retry-after': typeof wait === 'function' ? wait() : wait }).end('slow down');
  });
  assert.deepEqual(await new ClaudeServerClient({ baseUrl }).healthCheck(), health);
  const [first = 0, second = 0, third = 0] = times;
  assert.equal(times.length, 3);
  assert.ok(second - first >= 1_000, String(second - first));
  // A date has no milliseconds.
  assert.ok(third - second > 0, String(third - second));
});

test('a server that does not wait for the end is not asked all the time', async (t) => {
  const times: number[] = [];
  const baseUrl = await imitate(t, (request, response) => {
    assert.equal(request.url, '/api/v1/tasks/t/result?wait=25');
    times.push(performance.now());
    response.writeHead(times.length === 1 ? 202 : 200).end(JSON.stringify({ task_id: 't' }));
  });
  assert.deepEqual(await new ClaudeServerClient({ baseUrl }).waitForTask('t'), { task_id: 't' });
  const [first = 0, second = 0] = times;
  // A second, less what the first request took to get here.
  assert.ok(times.length === 2 && second - first >= 500, times.join());
});

test('how a server is it says itself when it is not well; the word of a proxy is an error', async (t) => {
  const health = { status: 'unhealthy', reasons: ['the storage is away'] };
  const own = await imitate(t, (_, response) => {
    response.writeHead(503, { 'content-type': 'application/json' }).end(JSON.stringify(health));
  });
  assert.deepEqual(await new ClaudeServerClient({ baseUrl: own }).healthCheck(), health);
  assert.equal(await new ClaudeServerClient({ baseUrl: own }).isReady(), false);
  const proxy = await imitate(t, (_, response) => response.writeHead(503, { 'content-type': 'text/html' }).end('<p>'));
  const client = new ClaudeServerClient({ baseUrl: proxy, retry: { maxRetries: 1, baseDelayMs: 1 } });
  await assert.rejects(client.healthCheck(), { name: 'UnavailableError', detail: '<p>' });
});

test('something else at the address is told as such', async (t) => {
  const page = await imitate(t, (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'));
  const client = new ClaudeServerClient({ baseUrl: page });
  const wrong = (words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof ClaudeServerError && !(error instanceof ConnectionError));
    assert.match(error.message, words);
    return true;
  };
  await assert.rejects(client.healthCheck(), wrong(/^the answer is no JSON/));
  await assert.rejects(collect(client.streamProgress('t')), wrong(/^the answer is no event stream, but "text\/html"/));
  const proxy = await imitate(t, (_, response) => response.writeHead(418, 'I am a teapot').end());
  await assert.rejects(new ClaudeServerClient({ baseUrl: proxy }).healthCheck(), wrong(/^418 I am a teapot$/));
});
