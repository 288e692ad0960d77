import { ClaudeServerError, ConnectionError } from './errors.js';

/** How often, and after which pauses, something is tried again. Times are in milliseconds. */
export interface RetryPolicy {
  /** Most tries after the first one; of a stream: in a row, without a new event. 0 for none. */
  maxRetries: number;
  /** The first pause is at most that long; each further one at most twice as long as the one before. */
  baseDelayMs: number;
  /** The longest pause, unless the server asks for a longer one. */
  maxDelayMs: number;
  /** The longest pause that a server's `Retry-After` is given. When it asks for more, that is the error. */
  maxRetryAfterMs: number;
}

/** For requests: about ten seconds in all. */
export const REQUEST_RETRY: RetryPolicy = {
  maxRetries: 5,
  baseDelayMs: 200,
  maxDelayMs: 5_000,
  maxRetryAfterMs: 60_000,
};

/** For streams: some minutes without a new event, enough for a server to be started again. */
export const STREAM_RETRY: RetryPolicy = {
  maxRetries: 40,
  baseDelayMs: 100,
  maxDelayMs: 10_000,
  maxRetryAfterMs: 300_000,
};

/** Answers that say "later": the same request may succeed then. */
const TRANSIENT = new Set([408, 429, 502, 503, 504]);

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): error is ClaudeServerError {
  if (!(error instanceof ClaudeServerError)) return false;
  return error instanceof ConnectionError || (error.status !== undefined && TRANSIENT.has(error.status));
}

/**
 * How long to wait before the next try, in milliseconds; `undefined` when there is to be none. Random within its bound, so that
 * clients that lost the same server do not come back all at once.
 */
export function pauseBefore(retry: number, policy: RetryPolicy, retryAfter: number | undefined): number | undefined {
  if (retry > policy.maxRetries) return undefined;
  const bound = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (retry - 1));
  const random = Math.random() * bound;
  if (retryAfter === undefined) return random;
  const asked = retryAfter * 1000;
  // A little later than asked for, each a little else.
  return asked > policy.maxRetryAfterMs ? undefined : asked + Math.random() * policy.baseDelayMs;
}

/** Waits; throws the signal's reason as soon as it is aborted. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = (): void => {
      clearTimeout(timer);
      // Whatever the caller aborted with, as `fetch` does.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
