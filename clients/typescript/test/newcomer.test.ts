import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { test } from 'node:test';

import { pinnedCli, PROJECT, TestServer } from './harness/server.js';

const CLIENT = join(PROJECT, 'clients', 'typescript');

const INSTALLED = join('node_modules', 'claude-code-server-client');

/** What npm and programs are started with: nothing of the caller's, and no question whether there is a newer npm. */
function environmentOf(server: TestServer): Record<string, string> {
  const quiet = { NPM_CONFIG_LOGLEVEL: 'error', NPM_CONFIG_UPDATE_NOTIFIER: 'false' };
  return { PATH: process.env['PATH'] ?? '', HOME: server.folder, ...quiet };
}

/** The README's first program. */
function example(): string {
  const found = /```js\n([\s\S]*?)```/.exec(readFileSync(join(CLIENT, 'README.md'), 'utf8'))?.[1];
  assert.ok(found);
  return found;
}

test('a newcomer installs the package and runs the example of the README, with the real CLI', async (t) => {
  const server = await TestServer.start(t, {}, pinnedCli());
  const folder = server.workspace('newcomer');
  const environment = environmentOf(server);
  const run = (program: string, args: string[], cwd: string): string =>
    execFileSync(program, args, { cwd, env: environment, encoding: 'utf8' });

  // `dist` is built. Offline: the package is all that is needed.
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], CLIENT);
  const [archive = ''] = readdirSync(folder);
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${archive}`], folder);
  assert.deepEqual(
    readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.')),
    ['claude-code-server-client'],
  );

  const program = example().replace('http://localhost:8000', server.url);
  assert.ok(program.split('\n').length <= 12, 'the example is no longer ten lines');
  writeFileSync(join(folder, 'hello.mjs'), program);
  assert.equal(readFileSync(join(folder, INSTALLED, 'examples', 'hello.mjs'), 'utf8'), example());
  const child = spawn(process.execPath, ['hello.mjs'], { cwd: folder, env: environment });
  const [output, complaints, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  assert.deepEqual([code, complaints], [0, '']);
  assert.match(output, /^ {7}tool {2}Write \S*hello\.py$/m);
  assert.match(output, /^ {2}completed {2}\d+ turns/m);
  assert.match(output.trimEnd().split('\n').at(-1) ?? '', /^completed ./);
  assert.match(run('python3', ['hello.py'], folder), /\S/);

  const piped = ['-o', 'pipefail', '-c', `"${process.execPath}" hello.mjs | head -n 1`];
  const cut = spawnSync('bash', piped, { cwd: folder, env: environment, encoding: 'utf8' });
  assert.deepEqual([cut.status, cut.stdout.split('\n').length, cut.stderr], [141, 2, '']);
});

test('the package has its licences and its example, also when it is made outside the checkout', async (t) => {
  const server = await TestServer.start(t);
  const folder = server.workspace('elsewhere');
  const copied = ['dist', 'examples', 'LICENSE-APACHE', 'LICENSE-MIT', 'package.json', 'README.md'];
  for (const name of copied) cpSync(join(CLIENT, name), join(folder, name), { recursive: true });
  const environment = environmentOf(server);
  const listed = execFileSync('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
  });
  const [archive] = JSON.parse(listed) as { files: { path: string }[] }[];
  const names = archive?.files.map(({ path }) => path).filter((path) => !path.startsWith('dist/'));
  assert.deepEqual(
    names?.sort(),
    copied
      .filter((name) => name !== 'dist' && name !== 'examples')
      .concat('examples/hello.mjs')
      .sort(),
  );
  for (const name of ['LICENSE-APACHE', 'LICENSE-MIT']) {
    assert.equal(readFileSync(join(CLIENT, name), 'utf8'), readFileSync(join(PROJECT, name), 'utf8'));
  }
});

test('the types of the package need no DOM', async (t) => {
  const server = await TestServer.start(t);
  const folder = server.workspace('typed');
  const declaration = `import { ClaudeServerClient, type TaskEvent } from ${JSON.stringify(join(CLIENT, 'dist/types/index.js'))};
const client = new ClaudeServerClient({ apiKey: 'k', fetch, transport: 'sse' });
export async function summaryOf(id: string): Promise<string> {
  for await (const event of client.streamProgress(id)) if (event.type === 'complete') return event.data.summary;
  return '';
}
export const nameOf = (event: TaskEvent): string => (event.type === 'tool_use' ? event.data.tool_name : event.type);
`;
  writeFileSync(join(folder, 'user.mts'), declaration);
  const compiler = join(CLIENT, 'node_modules', 'typescript', 'bin', 'tsc');
  const types = ['--types', 'node', '--typeRoots', join(CLIENT, 'node_modules', '@types')];
  const args = ['--noEmit', '--strict', '--module', 'nodenext', '--lib', 'es2023', ...types, 'user.mts'];
  execFileSync(process.execPath, [compiler, ...args], { cwd: folder, encoding: 'utf8' });
});
