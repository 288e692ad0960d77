import type { TaskEvent } from '../events.js';
import type { Query } from '../requests.js';

/** What a connection brings: an event, or only that the reader has come that far. */
export interface Frame {
  /** Where the reader is after it. None for what stands in no log. */
  cursor: number | undefined;
  event: TaskEvent | undefined;
}

/** Whose events are followed. */
export interface Source {
  /** Where they are to be had as Server-Sent Events. */
  path: string;
  /** Where they are to be had over a WebSocket. */
  socketPath: string;
  /** Which of them. */
  query: Query;
  /** Body of the request for a ticket. */
  ticket: { task_id?: string };
  /** Whether cursors count up by one, so that a gap shows that something was lost. */
  isGapless: boolean;
  /** The event that no other one follows. */
  isLast: (event: TaskEvent) => boolean;
  /** A frame of the WebSocket. */
  read: (json: unknown) => Frame;
}

/** The events of one task. Their cursor is their `seq`. */
export function taskSource(taskId: string): Source {
  const id = encodeURIComponent(taskId);
  return {
    path: `/api/v1/tasks/${id}/events`,
    socketPath: `/ws/tasks/${id}`,
    query: {},
    ticket: { task_id: taskId },
    isGapless: true,
    isLast: (event) => event.type === 'complete',
    read: (json) => {
      const event = eventIn(json);
      // What stands in no log has the number 0, or none.
      return { cursor: event?.seq === 0 ? undefined : event?.seq, event };
    },
  };
}

/** The events of all tasks that the query lets through. */
export function feedSource(query: Query): Source {
  return {
    path: '/api/v1/events',
    socketPath: '/ws/events',
    query,
    ticket: {},
    isGapless: false,
    isLast: () => false,
    read: (json) => {
      const { cursor, event } = (json ?? {}) as { cursor?: unknown; event?: unknown };
      return { cursor: typeof cursor === 'number' ? cursor : undefined, event: eventIn(event) };
    },
  };
}

/** An event is an object with a `type`. What else it holds is as the server says. */
export function eventIn(json: unknown): TaskEvent | undefined {
  if (typeof json !== 'object' || json === null || !('type' in json)) return undefined;
  return typeof json.type === 'string' ? (json as TaskEvent) : undefined;
}
