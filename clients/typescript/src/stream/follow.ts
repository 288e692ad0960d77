import { ConnectionError } from '../errors.js';
import type { TaskEvent } from '../events.js';
import type { Requests } from '../requests.js';
import { isTransient, pause, pauseBefore, type RetryPolicy } from '../retry.js';
import type { SocketConstructor } from './inbox.js';
import { SocketUnavailable, socketFrames } from './socket.js';
import { type Ending, sseFrames } from './sse.js';
import type { Frame, Source } from './source.js';

/** How events come. `auto` is a WebSocket in browsers, which keep few other connections to a server at once, else SSE. */
export type Transport = 'auto' | 'websocket' | 'sse';

/** A connection that was lost and will be made again. */
export interface Reconnect {
  /** The how many-th try in a row without a new event, from 1. */
  attempt: number;
  /** How long it waits until then, in milliseconds. */
  delayMs: number;
  /** After which event it goes on. */
  cursor: number | undefined;
  /** Why it was lost, if that is known. */
  error: unknown;
}

/** How to follow. */
export interface FollowSettings {
  requests: Requests;
  transport: Transport;
  Socket: SocketConstructor | undefined;
  retry: RetryPolicy;
  after: number | undefined;
  signal: AbortSignal | undefined;
  onReconnect: ((reconnect: Reconnect) => void) | undefined;
}

/** An event and where the reader is after it. */
export interface Followed {
  cursor: number | undefined;
  event: TaskEvent;
}

/** The events of a source, each once and in order, over as many connections as it takes. */
export async function* follow(source: Source, settings: FollowSettings): AsyncGenerator<Followed, void> {
  const { signal } = settings;
  const reader = new Reader(source, settings.after);
  const road = new Road(settings);
  let attempt = 0;
  for (;;) {
    signal?.throwIfAborted();
    const before = reader.cursor;
    let error: unknown;
    try {
      const frames = road.open(source, reader.cursor);
      if ((yield* reader.read(frames)) === 'ended') return;
    } catch (failure) {
      if (!isTransient(failure) || signal?.aborted === true) throw failure;
      road.failed(failure);
      error = failure;
    }
    attempt = reader.cursor === before ? attempt + 1 : 1;
    const delayMs = pauseBefore(attempt, settings.retry, isTransient(error) ? error.retryAfter : undefined);
    if (delayMs === undefined) throw isTransient(error) ? error : lost();
    settings.onReconnect?.({ attempt, delayMs, cursor: reader.cursor, error });
    await pause(delayMs, signal);
  }
}

function lost(): ConnectionError {
  return new ConnectionError({ detail: 'the stream ended again and again before it brought an event' });
}

/** Knows how far the reading has come, and lets nothing through twice. */
class Reader {
  readonly #source: Source;
  cursor: number | undefined;

  constructor(source: Source, after: number | undefined) {
    this.#source = source;
    this.cursor = after;
  }

  async *read(frames: AsyncGenerator<Frame, Ending>): AsyncGenerator<Followed, Ending> {
    try {
      for (;;) {
        const { done, value } = await frames.next();
        if (done === true) return value;
        const { cursor, event } = value;
        // What stands in no log is said to this connection only.
        if (cursor === undefined || this.#isKnown(cursor)) continue;
        if (this.#isGap(cursor)) return 'lost';
        this.cursor = cursor;
        if (event === undefined) continue;
        yield { cursor, event };
        if (this.#source.isLast(event)) return 'ended';
      }
    } finally {
      await frames.return('lost');
    }
  }

  #isKnown(cursor: number): boolean {
    return this.cursor !== undefined && cursor <= this.cursor;
  }

  #isGap(cursor: number): boolean {
    return this.#source.isGapless && cursor !== (this.cursor ?? 0) + 1;
  }
}

/** Opens connections in the way that was asked for. */
class Road {
  readonly #settings: FollowSettings;
  #socket: SocketConstructor | undefined;

  constructor(settings: FollowSettings) {
    this.#settings = settings;
    this.#socket = socketFor(settings);
  }

  open(source: Source, after: number | undefined): AsyncGenerator<Frame, Ending> {
    const { requests, signal } = this.#settings;
    if (this.#socket === undefined) return sseFrames(requests, source, after, signal);
    return socketFrames(requests, this.#socket, source, after, signal);
  }

  /** Where proxies let no WebSocket through, or a page is not told why the server refused one, SSE brings it or says it. */
  failed(failure: unknown): void {
    if (this.#settings.transport === 'auto' && failure instanceof SocketUnavailable) this.#socket = undefined;
  }
}

function socketFor({ transport, Socket }: FollowSettings): SocketConstructor | undefined {
  if (transport === 'sse') return undefined;
  if (transport === 'auto') return isBrowser() ? Socket : undefined;
  if (Socket !== undefined) return Socket;
  throw new TypeError('there is no WebSocket here: give the option `WebSocket`, or use the transport `sse`');
}

function isBrowser(): boolean {
  return 'document' in globalThis || 'WorkerGlobalScope' in globalThis;
}
