import { createParser, type EventSourceMessage } from 'eventsource-parser';

import { Deadline } from '../deadline.js';
import { ClaudeServerError } from '../errors.js';
import { asFailure, type Requests } from '../requests.js';
import { eventIn, type Frame, type Source } from './source.js';

/** The server says something every 15 seconds. Who is silent for that long is gone. */
const SILENCE_MS = 45_000;

/** How a connection came to its end: with nothing left to tell, or before. */
export type Ending = 'ended' | 'lost';

/** One connection for Server-Sent Events, by `fetch`: other than `EventSource` it shows its key in a header. */
export async function* sseFrames(
  requests: Requests,
  source: Source,
  after: number | undefined,
  outer: AbortSignal | undefined,
): AsyncGenerator<Frame, Ending> {
  const key = await requests.key();
  const deadline = new Deadline(outer);
  const { signal } = deadline;
  try {
    deadline.start(requests.settings.timeoutMs, 'the server did not begin the stream');
    const query = { ...source.query, after };
    const call = { method: 'GET', path: source.path, query } as const;
    const response = await requests.send(call, key, signal, 'text/event-stream');
    if (response.status === 204) return 'ended';
    const body = bodyOf(response).getReader();
    const { parser, frames } = parserOfFrames();
    const text = new TextDecoder();
    for (;;) {
      deadline.start(SILENCE_MS, 'the stream brought nothing');
      const { done, value } = await body.read();
      // While the caller works on an event nobody reads, and silence means nothing.
      deadline.stop();
      if (done) return 'lost';
      parser.feed(text.decode(value, { stream: true }));
      yield* frames.splice(0);
    }
  } catch (error) {
    throw asFailure(error, signal, outer);
  } finally {
    deadline.release();
  }
}

function bodyOf(response: Response): ReadableStream<Uint8Array> {
  const type = response.headers.get('content-type') ?? '';
  if (response.body === null || !type.startsWith('text/event-stream')) {
    throw new ClaudeServerError({ detail: `the answer is no event stream, but ${JSON.stringify(type)}` });
  }
  return response.body;
}

function parserOfFrames(): { parser: ReturnType<typeof createParser>; frames: Frame[] } {
  const frames: Frame[] = [];
  const onEvent = (message: EventSourceMessage): void => {
    // An id that is no number is none: the cursor stays where it is.
    const cursor = message.id !== undefined && /^\d+$/.test(message.id) ? Number(message.id) : undefined;
    frames.push({ cursor, event: eventIn(JSON.parse(message.data)) });
  };
  return { parser: createParser({ onEvent }), frames };
}
