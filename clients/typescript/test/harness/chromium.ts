import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

import { chromium, type Page } from 'playwright-core';

import { PROJECT } from './server.js';

/** The machine's own Chromium. */
function chromiumProgram(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync);
  if (found !== undefined) return found;
  throw new Error('Chromium is not installed: sudo apt-get install chromium');
}

/** A web page somewhere else than the server, which has the browser build beside it. Gives its origin. */
export async function startSite(t: TestContext): Promise<string> {
  const bundle = join(PROJECT, 'clients', 'typescript', 'dist', 'browser.js');
  const site = createServer((request, response) => {
    if (request.url !== '/browser.js') {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>a page</title>');
      return;
    }
    void readFile(bundle).then((code) => response.setHeader('content-type', 'text/javascript').end(code));
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  t.after(() => {
    site.close();
    site.closeAllConnections();
  });
  return `http://127.0.0.1:${String((site.address() as AddressInfo).port)}`;
}

/** A page in a real browser, which reaches nothing but this machine. It ends with the test. */
export async function openPage(t: TestContext, origin: string): Promise<Page> {
  const home = mkdtempSync(join(tmpdir(), 'ccs-browser-'));
  const browser = await chromium.launch({
    executablePath: chromiumProgram(),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
    env: { PATH: process.env['PATH'] ?? '', HOME: home },
  });
  t.after(async () => {
    await browser.close();
    rmSync(home, { recursive: true, force: true });
  });
  const page = await browser.newPage();
  await page.goto(origin);
  return page;
}
