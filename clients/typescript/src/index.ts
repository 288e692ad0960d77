/** Client for Claude Code Server, for Node and browsers. */
export { ClaudeServerClient } from './client.js';
export {
  BadRequestError,
  ClaudeServerError,
  ConflictError,
  ConnectionError,
  ForbiddenError,
  NotFoundError,
  RateLimitedError,
  UnauthorizedError,
  UnavailableError,
  ValidationError,
} from './errors.js';
export type { ErrorFacts } from './errors.js';
export type * from './events.js';
export type * from './options.js';
export { formatEvent, printEvent } from './print-event.js';
export type { RetryPolicy } from './retry.js';
export type { Reconnect, Transport } from './stream/follow.js';
export type { Socket, SocketConstructor } from './stream/inbox.js';
export type * from './types.js';
