import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The project's folder. Tests run from `clients/typescript/dist-test/harness`. */
export const PROJECT = fileURLToPath(new URL('../../../../', import.meta.url));

/** The server's program: that of `CLAUDE_CODE_SERVER_BIN`, or the one that cargo built. */
function serverProgram(): string {
  // A relative one is meant from the project's folder, where cargo was run.
  const target = resolve(PROJECT, process.env['CARGO_TARGET_DIR'] ?? 'target');
  const program = process.env['CLAUDE_CODE_SERVER_BIN'] ?? join(target, 'debug', 'claude-code-server');
  if (existsSync(program)) return program;
  throw new Error(`there is no ${program}: run \`cargo build --workspace\`, or set CLAUDE_CODE_SERVER_BIN`);
}

/** Agents that do what their prompt says; beside the server's program. */
export function stubAgent(): string {
  const program = join(dirname(serverProgram()), 'stub-agent');
  if (existsSync(program)) return program;
  throw new Error(`there is no ${program}: run \`cargo build -p stub-agent\``);
}

/** The Claude Code CLI that the project pins. */
export function pinnedCli(): string {
  const packages = ['claude-code-linux-x64', 'claude-code-linux-arm64'];
  const modules = join(PROJECT, 'agent-cli', 'node_modules', '@anthropic-ai');
  const found = packages.map((name) => join(modules, name, 'claude')).find(existsSync);
  if (found !== undefined) return found;
  throw new Error('the Claude Code CLI is not installed: run `npm ci` in the folder agent-cli');
}

/** A real server with folders of its own, which nothing of this machine's environment reaches. It ends with the test. */
export class TestServer {
  readonly folder: string;
  url = '';
  readonly #variables: Record<string, string>;
  #child: ChildProcess | undefined;

  private constructor(variables: Record<string, string>, agent: string) {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'ccs-client-')));
    mkdirSync(join(this.folder, 'workspaces'));
    this.#variables = {
      PATH: process.env['PATH'] ?? '',
      HOME: this.folder,
      STORAGE_DATA_DIR: join(this.folder, 'data'),
      WORKSPACE_ROOTS: join(this.folder, 'workspaces'),
      CLAUDE_CLI_PATH: agent,
      SERVER_PORT: '0',
      MONITORING_PROMETHEUS_ENABLED: 'false',
      MONITORING_LOGGING_FORMAT: 'json',
      ...variables,
    };
  }

  /** Starts one, whose agents are stubs unless another program is given. */
  static async start(t: TestContext, variables: Record<string, string> = {}, agent = stubAgent()): Promise<TestServer> {
    const server = new TestServer(variables, agent);
    const kill = (): void => {
      server.#child?.kill('SIGKILL');
    };
    process.once('exit', kill);
    t.after(async () => {
      process.off('exit', kill);
      // In order: an agent whose server was killed still writes for a moment, into the folder that goes.
      await server.terminate();
      rmSync(server.folder, { recursive: true, force: true });
    });
    await server.#run();
    return server;
  }

  /** A workspace, made. */
  workspace(name = 'w'): string {
    const path = join(this.folder, 'workspaces', name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Kills it, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Ends it in order. */
  async terminate(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  /** Starts it again, at the same address and with the same data. */
  async restart(): Promise<void> {
    this.#variables['SERVER_PORT'] = new URL(this.url).port;
    await this.#run();
  }

  async #run(): Promise<void> {
    const child = spawn(serverProgram(), ['serve', '--demo'], {
      env: this.#variables,
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let complaints = '';
    child.stderr.on('data', (text) => (complaints += String(text)));
    // The log says where it listens. It is read to its end, for a full pipe would stop the server.
    const log = createInterface({ input: child.stdout });
    const listening = new Promise<string>((resolve, reject) => {
      log.on('line', (line) => {
        const entry = JSON.parse(line) as { message?: string; url?: string };
        if (entry.message === 'listening' && entry.url !== undefined) resolve(entry.url);
      });
      child.once('exit', () => {
        reject(new Error(`the server ended: ${complaints}`));
      });
    });
    this.url = await listening;
  }
}
