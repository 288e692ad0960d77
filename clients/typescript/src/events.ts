import type { components } from './generated/openapi.js';
import type {
  CompleteData,
  ErrorData,
  MessageData,
  Progress,
  StatusData,
  ToolResultData,
  ToolUseData,
} from './types.js';

type Envelope = Omit<components['schemas']['Event'], 'type' | 'data'>;

interface Typed<Type extends string, Data> extends Envelope {
  type: Type;
  data: Data;
}

type Kind = components['schemas']['EventKind'];

interface DataOf {
  message: MessageData;
  tool_use: ToolUseData;
  tool_result: ToolResultData;
  progress: Progress;
  complete: CompleteData;
  error: ErrorData;
  /** What became of a task that has not ended. Only the feed of all tasks brings it. */
  status: StatusData;
}

/** An event of a type: `EventOf<'complete'>`. */
export type EventOf<Type extends Kind> = Typed<Type, DataOf[Type]>;

/**
 * Stands, for the compiler only, for every type that is not listed here: an `enum` is a text that equals no literal, so that
 * `event.type === 'message'` leaves no doubt about `event.data`.
 */
declare enum OtherType {
  Other = '(any other text)',
}

/** An event of a type that this client does not know, from a newer server. Its `type` is a plain text. */
export type UnknownEvent = Typed<OtherType, Record<string, unknown>>;

/** An event. Told apart by `type`; a `switch` needs a `default`, for a newer server may send types that are not listed here. */
export type TaskEvent = { [Type in Kind]: EventOf<Type> }[Kind] | UnknownEvent;

/** An event of the feed of all tasks, with the reader's cursor there. */
export interface FeedEntry {
  /** Where the reader is after it: `after` for who goes on later. */
  cursor: number;
  event: TaskEvent;
}

/** Some events of one task. */
export interface TaskEventsPage {
  events: TaskEvent[];
  /** The cursor for the next page. */
  next_after: number;
  /** Whether the task has ended and this reaches its last event. */
  complete: boolean;
}

/** Some events of all tasks. */
export interface EventsPage {
  events: TaskEvent[];
  /** The cursor for the next page. */
  next_after: number;
}
