import type { RetryPolicy } from './retry.js';
import type { Reconnect, Transport } from './stream/follow.js';
import type { SocketConstructor } from './stream/inbox.js';
import type { TaskStatus } from './types.js';

/** How a client reaches its server. */
export interface ClientOptions {
  /** Where the server is; `http://localhost:8000` unless given. May have a path, behind a proxy. */
  baseUrl?: string | undefined;
  /** The key or token, or what gives one that is still good. It is sent in a header only. */
  apiKey?: string | (() => string | Promise<string>) | undefined;
  /** How streams come; `auto` unless given. */
  transport?: Transport | undefined;
  /** When a request is tried again. */
  retry?: Partial<RetryPolicy> | undefined;
  /** When a stream is connected again. */
  reconnect?: Partial<RetryPolicy> | undefined;
  /** Longest time until an answer is there, in milliseconds; 30,000 unless given. */
  timeoutMs?: number | undefined;
  /** Instead of the platform's: to go through a proxy, or with certificates of its own. */
  fetch?: typeof fetch | undefined;
  /** Instead of the platform's, or where it has none (Node 20). */
  WebSocket?: SocketConstructor | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call; it then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Longest time until the answer is there, in milliseconds, instead of the client's. */
  timeoutMs?: number | undefined;
}

/** How a stream is followed. */
export interface StreamOptions {
  /** The cursor: only what comes after it. */
  after?: number | undefined;
  /** Instead of the client's. */
  transport?: Transport | undefined;
  /** Ends the stream; it then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Hears of every connection that is made again. */
  onReconnect?: ((reconnect: Reconnect) => void) | undefined;
}

/** Which events of all tasks are wanted; all unless something is given. */
export interface FeedFilter {
  taskId?: string | undefined;
  sessionId?: string | undefined;
  /** An absolute path. */
  workspace?: string | undefined;
  /** Only of tasks in these. */
  status?: TaskStatus[] | undefined;
  /** Only of these types. */
  type?: string[] | undefined;
}

/** Which events of all tasks are followed, and how. Without `after` the feed begins now; with 0 at the oldest that is kept. */
export interface FeedOptions extends StreamOptions, FeedFilter {}

/** Which page of events is wanted. */
export interface PageOptions extends CallOptions {
  /** The cursor: only what comes after it. */
  after?: number | undefined;
  /** How many seconds the server waits for an event, at most 60. */
  wait?: number | undefined;
}

/** How a task's end is waited for. */
export interface WaitOptions {
  /** Ends the waiting; it then throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Which tasks are wanted; all unless something is given. */
export interface TaskFilter {
  status?: TaskStatus[] | undefined;
  sessionId?: string | undefined;
  /** An absolute path. */
  workspace?: string | undefined;
  /** Labels as `key` or `key=value`; a task has to have all of them. */
  labels?: string[] | undefined;
  createdFrom?: Date | string | undefined;
  createdBefore?: Date | string | undefined;
  /** The newest first unless given. */
  order?: 'newest' | 'oldest' | undefined;
  /** Most tasks of a page, from 1 to 200; 50 unless given. */
  limit?: number | undefined;
}

/** Which page of tasks is wanted. */
export interface ListOptions extends CallOptions, TaskFilter {
  /** Where the page before has ended: its `next_cursor`. */
  cursor?: string | number | undefined;
}
