import type { Fault } from './types.js';

/** What is known of a failure. */
export interface ErrorFacts {
  /** The HTTP status; none when there was no answer. */
  status?: number | undefined;
  /** The server's stable word for it, such as `task_not_found`. */
  code?: string | undefined;
  /** What happened, for people. */
  detail: string;
  /** Names the request in the server's log. */
  requestId?: string | undefined;
  /** The faults of a body or query, each with the place where it is. */
  faults?: Fault[] | undefined;
  /** Seconds after which it may be tried again, if the server said so. */
  retryAfter?: number | undefined;
  cause?: unknown;
}

/** A request that failed. Its subclasses tell the usual cases apart; `code` tells all. */
export class ClaudeServerError extends Error {
  // Written out: a name that is taken from the class is lost when the code is made small.
  override readonly name: string = 'ClaudeServerError';
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly detail: string;
  readonly requestId: string | undefined;
  readonly faults: Fault[];
  readonly retryAfter: number | undefined;
  /**
   * Whether an earlier try of the same request got no answer: that one may have been carried out, and this failure may only say
   * so (a 404 of what is deleted, a 409 of what is stopped).
   */
  followsLostAnswer = false;

  constructor(facts: ErrorFacts) {
    const { status, code, detail, requestId, faults = [], retryAfter, cause } = facts;
    const places = faults.map((fault) => `; ${fault.pointer} ${fault.detail}`).join('');
    const number = status === undefined ? '' : `${String(status)} `;
    super(`${number}${code === undefined ? '' : `${code}: `}${detail}${places}`, { cause });
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.requestId = requestId;
    this.faults = faults;
    this.retryAfter = retryAfter;
  }
}

/** No answer: the server cannot be reached, the connection broke, or it took too long. */
export class ConnectionError extends ClaudeServerError {
  override readonly name = 'ConnectionError';
}
/** 400: the body cannot be read, or its workspace cannot be used. */
export class BadRequestError extends ClaudeServerError {
  override readonly name = 'BadRequestError';
}
/** 401: a key is needed, or the token does not count any more. */
export class UnauthorizedError extends ClaudeServerError {
  override readonly name = 'UnauthorizedError';
}
/** 403: the key is wrong or may not do that, or the page's origin is not allowed. */
export class ForbiddenError extends ClaudeServerError {
  override readonly name = 'ForbiddenError';
}
/** 404: there is no such task, session or question. */
export class NotFoundError extends ClaudeServerError {
  override readonly name = 'NotFoundError';
}
/** 409: what is there does not go with the request. */
export class ConflictError extends ClaudeServerError {
  override readonly name = 'ConflictError';
}
/** 422: fields have faults; `faults` names them. */
export class ValidationError extends ClaudeServerError {
  override readonly name = 'ValidationError';
}
/** 429: too many requests; `retryAfter` says how long to wait. */
export class RateLimitedError extends ClaudeServerError {
  override readonly name = 'RateLimitedError';
}
/** 503: the queue is full, the server is about to stop, or its storage is away. */
export class UnavailableError extends ClaudeServerError {
  override readonly name = 'UnavailableError';
}

const CLASSES: Record<number, typeof ClaudeServerError> = {
  400: BadRequestError,
  401: UnauthorizedError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  422: ValidationError,
  429: RateLimitedError,
  503: UnavailableError,
};

/** The error for an answer, whose body may be a problem document or, from a proxy in between, anything. */
export async function errorOf(response: Response): Promise<ClaudeServerError> {
  const text = await response.text().catch(() => '');
  const problem = problemIn(text);
  return errorFor(response.status, {
    ...problem,
    detail: problem.detail ?? (text.trim().slice(0, 200) || response.statusText || 'the server refused the request'),
    requestId: problem.requestId ?? response.headers.get('x-request-id') ?? undefined,
    retryAfter: secondsOf(response.headers.get('retry-after')),
  });
}

/** The error for a status. */
export function errorFor(status: number, facts: ErrorFacts): ClaudeServerError {
  const Class = CLASSES[status] ?? ClaudeServerError;
  return new Class({ ...facts, status });
}

function problemIn(text: string): Partial<ErrorFacts> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof body !== 'object' || body === null) return {};
  const word = (name: string): string | undefined => {
    const value = (body as Record<string, unknown>)[name];
    return typeof value === 'string' ? value : undefined;
  };
  const faults = 'errors' in body && Array.isArray(body.errors) ? (body.errors as Fault[]) : [];
  const detail = word('detail');
  return { ...(detail === undefined ? {} : { detail }), code: word('code'), requestId: word('request_id'), faults };
}

/** `Retry-After` in seconds: a number of them, or a date, as proxies write it. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000));
}
