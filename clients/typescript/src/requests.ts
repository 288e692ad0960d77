import { Deadline } from './deadline.js';
import { ClaudeServerError, ConnectionError, errorOf } from './errors.js';
import { isTransient, pause, pauseBefore, type RetryPolicy } from './retry.js';

export type QueryValue = string | number | boolean | readonly string[] | null | undefined;
export type Query = Record<string, QueryValue>;

/** Where requests go and how. */
export interface RequestSettings {
  /** Without a slash at its end. */
  baseUrl: string;
  apiKey: string | (() => string | Promise<string>) | undefined;
  fetch: typeof fetch;
  retry: RetryPolicy;
  timeoutMs: number;
}

/** One request. */
export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  query?: Query | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Longest time until the whole answer is there, instead of the client's. */
  timeoutMs?: number | undefined;
  /** A status that is an answer here, not an error. */
  expects?: number;
  /** When it is tried again, instead of the client's. */
  retry?: RetryPolicy;
}

/** Sends requests: with the key, a time limit and, where the failure is a passing one, again. */
export class Requests {
  readonly settings: RequestSettings;

  constructor(settings: RequestSettings) {
    this.settings = settings;
  }

  /** The JSON that answers a request. */
  json<Body>(call: Call): Promise<Body> {
    return this.answer(call, async (response) => (await response.json()) as Body);
  }

  /** What `read` makes of the answer. Every call may be made twice: the callers see to that. */
  async answer<Result>(call: Call, read: (response: Response) => Promise<Result>): Promise<Result> {
    const policy = call.retry ?? this.settings.retry;
    let isAnswerLost = false;
    for (let retry = 1; ; retry++) {
      try {
        return await this.once(call, read);
      } catch (error) {
        if (!(error instanceof ClaudeServerError)) throw error;
        error.followsLostAnswer = isAnswerLost;
        const delay = isTransient(error) ? pauseBefore(retry, policy, error.retryAfter) : undefined;
        if (delay === undefined) throw error;
        // The server's own word, which has a code, is that nothing was done. Silence or a proxy says nothing.
        isAnswerLost ||= error.code === undefined || error.code === 'internal';
        await pause(delay, call.signal);
      }
    }
  }

  /** The key to be shown. What the caller's function throws is the caller's. */
  async key(): Promise<string | undefined> {
    const { apiKey } = this.settings;
    const given = typeof apiKey === 'function' ? await apiKey() : apiKey;
    // One that was read from a file ends with the file's line. What is wrong with another one is said without repeating it.
    const key = given?.trim();
    if (key !== undefined && !/^[!-~]*$/.test(key)) {
      throw new TypeError('apiKey holds spaces, line ends or characters beyond ASCII, which no key has');
    }
    return key;
  }

  /** Sends a request once, with that key and under that signal; gives the answer when its headers are there. */
  async send(call: Call, key: string | undefined, signal: AbortSignal, accept = 'application/json'): Promise<Response> {
    const { method, body } = call;
    const headers: Record<string, string> = { accept };
    if (key !== undefined) headers['authorization'] = `Bearer ${key}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    // Called as a function by itself: browsers' `fetch` wants no other `this`.
    const { fetch } = this.settings;
    const text = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(this.url(call.path, call.query), { method, headers, body: text, signal });
    if (response.ok || response.status === call.expects) return response;
    throw await errorOf(response);
  }

  /** The address of a path below the server's. */
  url(path: string, query: Query = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined || value === null) continue;
      for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
    }
    const text = parameters.toString();
    return `${this.settings.baseUrl}${path}${text === '' ? '' : `?${text}`}`;
  }

  /** The same, tried once. */
  async once<Result>(call: Call, read: (response: Response) => Promise<Result>): Promise<Result> {
    call.signal?.throwIfAborted();
    const key = await this.key();
    const deadline = new Deadline(call.signal);
    deadline.start(call.timeoutMs ?? this.settings.timeoutMs, 'the server did not answer');
    try {
      return await read(await this.send(call, key, deadline.signal));
    } catch (error) {
      throw asFailure(error, deadline.signal, call.signal);
    } finally {
      deadline.release();
    }
  }
}

/** What a failed exchange is to the caller: the own abort as it was, else one of our errors. */
export function asFailure(error: unknown, signal: AbortSignal, outer: AbortSignal | undefined): unknown {
  if (outer?.aborted === true) return outer.reason;
  if (error instanceof ClaudeServerError) return error;
  if (signal.aborted && signal.reason instanceof ClaudeServerError) return signal.reason;
  if (error instanceof SyntaxError) {
    return new ClaudeServerError({ detail: 'the answer is no JSON: is this the address of the server?', cause: error });
  }
  return new ConnectionError({ detail: `the server cannot be reached: ${reasonOf(error)}`, cause: error });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node's `fetch failed` says why in its cause.
  const { cause } = error;
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}
