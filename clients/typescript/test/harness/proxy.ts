import { once } from 'node:events';
import { type AddressInfo, createServer, connect, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** How much of an answer is let through before the connection is cut; all when `undefined`. */
export type Rule = (chunk: Buffer) => number | undefined;

/** A proxy between client and server, which cuts connections. */
export class Proxy {
  /** How many it cut. */
  cuts = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(target: URL, makeRule: () => Rule) {
    this.#server = createServer((client) => {
      this.#serve(client, target, makeRule());
    });
  }

  /** Starts one, with a rule for each connection. It ends with the test. */
  static async start(t: TestContext, url: string, makeRule: () => Rule): Promise<Proxy> {
    const proxy = new Proxy(new URL(url), makeRule);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    t.after(() => {
      proxy.#server.close();
      for (const socket of proxy.#open) socket.destroy();
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Waits until every connection is closed that was used: Node keeps a fresh one ready, for a while. */
  async idle(): Promise<void> {
    for (const socket of this.#open) {
      if (socket.bytesRead > 0) await new Promise((resolve) => socket.once('close', resolve));
    }
  }

  #serve(client: Socket, target: URL, rule: Rule): void {
    const upstream = connect(Number(target.port), target.hostname);
    this.#open.add(client);
    client.on('error', () => undefined);
    upstream.on('error', () => undefined);
    client.on('close', () => {
      this.#open.delete(client);
      upstream.destroy();
    });
    upstream.on('close', () => {
      client.end();
    });
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      const end = rule(chunk);
      if (end === undefined) {
        client.write(chunk);
        return;
      }
      this.cuts++;
      // Not a reset, which could cost the client what it has not read yet: what comes before the cut is known then.
      client.end(chunk.subarray(0, end));
      upstream.destroy();
    });
  }
}

/** Cuts a connection in the middle of its Nth event, whatever the transport: each event has a `seq`. */
export function cutAtEvent(nth: number): () => Rule {
  return () => {
    let seen = 0;
    let tail = '';
    return (chunk) => {
      // A mark may lie on the border of two chunks. Latin-1 keeps a character a byte.
      const text = tail + chunk.toString('latin1');
      for (let at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK, at + 1)) {
        if (++seen === nth) return at + MARK.length - tail.length;
      }
      tail = text.slice(1 - MARK.length);
      return undefined;
    };
  };
}

const MARK = '"seq":';

/** Keeps the first answer to itself, after the server has given it. */
export function loseFirstAnswer(): () => Rule {
  let isLost = false;
  return () => () => {
    if (isLost) return undefined;
    isLost = true;
    return 0;
  };
}
