import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClaudeServerClient, type TaskEvent, type Transport } from 'claude-code-server-client';
import type * as Client from 'claude-code-server-client';
import type { Page } from 'playwright-core';

import { openPage, startSite } from './harness/chromium.js';
import { logOf } from './harness/events.js';
import { cutAtEvent, Proxy } from './harness/proxy.js';
import { TestServer } from './harness/server.js';

const apiKey = 'k-of-the-browser-test';

interface Job {
  /** Where the page finds the browser build. */
  bundle: string;
  baseUrl: string;
  apiKey: string;
  transport: Transport;
  workspace: string;
}

/** What the page does: submits a task, follows it to its end, and is refused something. */
async function work({ bundle, workspace, ...options }: Job): Promise<{ events: TaskEvent[]; refusal: unknown }> {
  const { ClaudeServerClient, NotFoundError } = (await import(bundle)) as typeof Client;
  const client = new ClaudeServerClient(options);
  const { task_id } = await client.submitTask({ prompt: 'emit 500 40; say done', workspace });
  const events = [];
  for await (const event of client.streamProgress(task_id)) events.push(event);
  const error: unknown = await client.getTaskStatus('nobody').catch((failure: unknown) => failure);
  const refusal = error instanceof NotFoundError ? [error.name, error.status, error.code, error.detail] : String(error);
  return { events, refusal };
}

/** The addresses that a page opens, WebSockets included. */
function addressesOf(page: Page): string[] {
  const addresses: string[] = [];
  page.on('request', (request) => addresses.push(request.url()));
  page.on('websocket', (socket) => addresses.push(socket.url()));
  return addresses;
}

test('a page in a real browser submits and follows tasks at a server that wants a key, over cut connections', async (t) => {
  const origin = await startSite(t);
  const server = await TestServer.start(t, {
    API_AUTH_ENABLED: 'true',
    API_API_KEY: apiKey,
    API_CORS_ORIGINS: origin,
    API_RATE_LIMIT_ENABLED: 'false',
  });
  const page = await openPage(t, origin);
  const addresses = addressesOf(page);
  const direct = new ClaudeServerClient({ baseUrl: server.url, apiKey });
  for (const transport of ['auto', 'websocket', 'sse'] as const) {
    const proxy = await Proxy.start(t, server.url, cutAtEvent(200));
    const job = {
      bundle: '/browser.js',
      baseUrl: proxy.url,
      apiKey,
      transport,
      workspace: server.workspace(transport),
    };
    const { events, refusal } = await page.evaluate(work, job);

    assert.ok(events.length > 500);
    assert.deepEqual(events, await logOf(direct, events[0]?.task_id ?? ''));
    assert.deepEqual(refusal, ['NotFoundError', 404, 'task_not_found', 'there is no task "nobody"']);
    const cuts = Math.floor(events.length / 199);
    // Chromium takes what a page has not read yet with it when an answer is cut.
    if (transport === 'sse') assert.ok(proxy.cuts >= cuts, String(proxy.cuts));
    else assert.equal(proxy.cuts, cuts);
    const sockets = addresses.filter((address) => address.startsWith(proxy.url.replace('http', 'ws')));
    assert.equal(sockets.length, transport === 'sse' ? 0 : proxy.cuts + 1, transport);
    assert.ok(sockets.every((address) => address.includes('ticket=')));
  }
  assert.deepEqual(
    addresses.filter((address) => address.includes(apiKey)),
    [],
  );
});

test('where no WebSocket gets through, a page goes by SSE', async (t) => {
  const origin = await startSite(t);
  const server = await TestServer.start(t, { API_CORS_ORIGINS: origin });
  const page = await openPage(t, origin);
  const addresses = addressesOf(page);
  // Lets no answer to a handshake through.
  const proxy = await Proxy.start(t, server.url, () => (chunk) => (chunk.includes('101 Switching') ? 0 : undefined));
  const job = {
    bundle: '/browser.js',
    baseUrl: proxy.url,
    apiKey,
    transport: 'auto',
    workspace: server.workspace(),
  } as const;
  const { events } = await page.evaluate(work, job);
  assert.equal(events.at(-1)?.type, 'complete');
  assert.equal(addresses.filter((address) => address.startsWith('ws:')).length, 1);
});
