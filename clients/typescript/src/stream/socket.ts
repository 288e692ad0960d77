import { Deadline } from '../deadline.js';
import { ConnectionError, errorFor } from '../errors.js';
import type { TaskEventsPage } from '../events.js';
import { asFailure, type Requests } from '../requests.js';
import type { TicketResponse } from '../types.js';
import { type Closing, Inbox, type SocketConstructor } from './inbox.js';
import type { Ending } from './sse.js';
import type { Frame, Source } from './source.js';

/** The server's close codes for "all was told" and "there is no such task". */
const CLOSED_NORMALLY = 1000;
const CLOSED_BY_POLICY = 1008;
/**
 * After so long a silence the connection is made anew. Browsers do not show the server's pings to a page, so nothing else tells
 * a quiet task from a connection that is gone.
 */
const SILENCE_MS = 120_000;

/** A socket that did not come to be. A page is not told why. */
export class SocketUnavailable extends ConnectionError {}

/** One connection over a WebSocket. The key opens it by a ticket, never by the URL. */
export async function* socketFrames(
  requests: Requests,
  Socket: SocketConstructor,
  source: Source,
  after: number | undefined,
  outer: AbortSignal | undefined,
): AsyncGenerator<Frame, Ending> {
  const url = await socketUrl(requests, source, after, outer);
  const socket = new Socket(url);
  const deadline = new Deadline(outer);
  try {
    const inbox = new Inbox(socket);
    deadline.start(requests.settings.timeoutMs, 'the WebSocket did not open');
    let refusal: Frame | undefined;
    let reached = after;
    for (;;) {
      await inbox.changed(deadline.signal);
      // While the caller works on an event nobody waits, and silence means nothing.
      deadline.stop();
      for (let text = inbox.next(); text !== undefined; text = inbox.next()) {
        const frame = source.read(JSON.parse(text));
        if (frame.cursor === undefined) refusal = frame;
        else reached = frame.cursor;
        yield frame;
      }
      if (inbox.closing?.code === CLOSED_NORMALLY) return await endingAfter(requests, source, reached, deadline.signal);
      if (inbox.closing !== undefined) return lostBy(inbox.closing, refusal);
      deadline.start(SILENCE_MS, 'the stream brought nothing');
    }
  } catch (error) {
    throw asFailure(error, deadline.signal, outer);
  } finally {
    deadline.release();
    socket.close();
  }
}

async function socketUrl(
  requests: Requests,
  source: Source,
  after: number | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hasKey = requests.settings.apiKey !== undefined;
  const call = { method: 'POST', path: '/api/v1/tickets', body: source.ticket, signal } as const;
  const read = async (response: Response): Promise<TicketResponse> => (await response.json()) as TicketResponse;
  // Once: who follows tries again.
  const ticket = hasKey ? (await requests.once(call, read)).ticket : undefined;
  const url = new URL(requests.url(source.socketPath, { ...source.query, after, ticket }));
  // As a scheme, not as a text: `httpsomething` is no server of ours.
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/**
 * Whether that was all. Who goes on after the last event is told nothing but goodbye, and a proxy that closes a quiet connection
 * may say the same.
 */
async function endingAfter(
  requests: Requests,
  source: Source,
  after: number | undefined,
  signal: AbortSignal,
): Promise<Ending> {
  const call = { method: 'GET', path: source.path, query: { ...source.query, after }, signal } as const;
  const page = await requests.once(call, async (response) => (await response.json()) as Partial<TaskEventsPage>);
  return page.complete === true && page.events?.length === 0 ? 'ended' : 'lost';
}

function lostBy({ code, wasOpen }: Closing, refusal: Frame | undefined): Ending {
  if (!wasOpen) throw new SocketUnavailable({ detail: 'the WebSocket could not be opened' });
  if (code === CLOSED_BY_POLICY) {
    const data = (refusal?.event?.data ?? {}) as { error?: string; code?: string };
    throw errorFor(404, { code: data.code ?? 'task_not_found', detail: data.error ?? 'there is no such task' });
  }
  return 'lost';
}
