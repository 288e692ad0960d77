import { ConflictError, errorOf, NotFoundError } from './errors.js';
import type { EventsPage, FeedEntry, TaskEvent, TaskEventsPage } from './events.js';
import { newId } from './identifier.js';
import type {
  CallOptions,
  ClientOptions,
  FeedFilter,
  FeedOptions,
  ListOptions,
  PageOptions,
  StreamOptions,
  TaskFilter,
  WaitOptions,
} from './options.js';
import { type Query, Requests } from './requests.js';
import { pause, REQUEST_RETRY, type RetryPolicy, STREAM_RETRY } from './retry.js';
import { follow, type FollowSettings, type Transport } from './stream/follow.js';
import type { SocketConstructor } from './stream/inbox.js';
import { feedSource, taskSource } from './stream/source.js';
import type {
  AnswerRequest,
  BatchResponse,
  Capabilities,
  Deleted,
  Draining,
  Health,
  InstanceInfo,
  InterruptResponse,
  MessageReceipt,
  SessionInfo,
  TaskList,
  TaskRequest,
  TaskResponse,
  TaskStatusResponse,
  TicketResponse,
  TranscriptEntry,
} from './types.js';

/** How long the server is asked to wait for a task's end, in seconds; less than what proxies let pass without a word. */
const WAIT_SECONDS = 25;
/** How often it is asked at most, in milliseconds. */
const ASK_EVERY_MS = 1_000;

/**
 * A client of Claude Code Server. Every call may be repeated safely, and is, when the server cannot be reached or says "later":
 * what is submitted or made has an id that this client gives it.
 *
 * @throws ClaudeServerError from every call that fails; its subclasses tell the cases apart
 */
export class ClaudeServerClient {
  readonly #requests: Requests;
  readonly #transport: Transport;
  readonly #reconnect: RetryPolicy;
  readonly #Socket: SocketConstructor | undefined;

  constructor(options: ClientOptions = {}) {
    const { baseUrl = 'http://localhost:8000', apiKey, timeoutMs = 30_000 } = options;
    this.#requests = new Requests({
      baseUrl: checkedUrl(baseUrl),
      apiKey,
      fetch: options.fetch ?? globalThis.fetch,
      retry: { ...REQUEST_RETRY, ...options.retry },
      timeoutMs,
    });
    this.#transport = options.transport ?? 'auto';
    this.#reconnect = { ...STREAM_RETRY, ...options.reconnect };
    // Node 20 has none.
    this.#Socket = options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
  }

  // Tasks

  /** Submits a task. One without a `task_id` gets a new one here, so that it is one task however often it is sent. */
  submitTask(task: TaskRequest, options?: CallOptions): Promise<TaskResponse> {
    return this.#requests.json({ method: 'POST', path: '/api/v1/tasks', body: named(task), ...options });
  }

  /** Submits up to 100 tasks, each as if it came alone: some may be refused and others not. */
  submitBatch(tasks: TaskRequest[], options?: CallOptions): Promise<BatchResponse> {
    const body = { tasks: tasks.map(named) };
    return this.#requests.json({ method: 'POST', path: '/api/v1/tasks/batch', body, ...options });
  }

  /** Where a task is: status, progress, result, place in the queue. */
  getTaskStatus(taskId: string, options?: CallOptions): Promise<TaskStatusResponse> {
    return this.#requests.json({ method: 'GET', path: taskPath(taskId), ...options });
  }

  /** A task that has ended, which it waits for as long as it takes; as patiently as a stream when the server is away. */
  async waitForTask(taskId: string, options: WaitOptions = {}): Promise<TaskStatusResponse> {
    const query = { wait: WAIT_SECONDS };
    const timeoutMs = WAIT_SECONDS * 1000 + this.#requests.settings.timeoutMs;
    const call = { method: 'GET', path: taskPath(taskId, 'result'), query, timeoutMs, retry: this.#reconnect } as const;
    for (;;) {
      const asked = performance.now();
      const { status, task } = await this.#requests.answer({ ...call, signal: options.signal }, async (response) => ({
        status: response.status,
        task: (await response.json()) as TaskStatusResponse,
      }));
      if (status === 200) return task;
      // A server that is about to stop does not wait: it must not be asked all the time.
      await pause(Math.max(0, ASK_EVERY_MS - (performance.now() - asked)), options.signal);
    }
  }

  /** A page of tasks, and where the next one begins. */
  listTasks(options: ListOptions = {}): Promise<TaskList> {
    const { signal, timeoutMs, cursor, ...filter } = options;
    const query = { ...taskQuery(filter), cursor };
    return this.#requests.json({ method: 'GET', path: '/api/v1/tasks', query, signal, timeoutMs });
  }

  /** All tasks, page after page. */
  async *iterateTasks(options: ListOptions = {}): AsyncGenerator<TaskStatusResponse, void> {
    let cursor = options.cursor;
    do {
      const page = await this.listTasks({ ...options, cursor });
      yield* page.tasks;
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Stops a task; answers when it has ended. */
  async interruptTask(taskId: string, options?: CallOptions): Promise<InterruptResponse> {
    try {
      return await this.#requests.json({ method: 'POST', path: taskPath(taskId, 'interrupt'), ...options });
    } catch (error) {
      if (!(error instanceof ConflictError && error.followsLostAnswer)) throw error;
      // It was stopped by the try whose answer was lost.
      const { status, updated_at } = await this.getTaskStatus(taskId, options);
      if (status !== 'interrupted') throw error;
      return { task_id: taskId, status, interrupted_at: updated_at };
    }
  }

  /** Makes a task that waits more or less urgent: -100 to 100. */
  setPriority(taskId: string, priority: number, options?: CallOptions): Promise<TaskStatusResponse> {
    return this.#requests.json({ method: 'PATCH', path: taskPath(taskId), body: { priority }, ...options });
  }

  /** Forgets a task that has ended. */
  deleteTask(taskId: string, options?: CallOptions): Promise<Deleted> {
    return this.#delete(taskPath(taskId), {}, `Task ${taskId} deleted`, options);
  }

  /** Says something to the agent while it works on a task. With the same `messageId` it is said once. */
  sendMessage(
    taskId: string,
    text: string,
    options: CallOptions & { messageId?: string } = {},
  ): Promise<MessageReceipt> {
    const { messageId = newId(), ...call } = options;
    const body = { text, message_id: messageId };
    return this.#requests.json({ method: 'POST', path: taskPath(taskId, 'messages'), body, ...call });
  }

  /** Answers a question that a task waits with. */
  answerQuestion(taskId: string, answer: AnswerRequest, options?: CallOptions): Promise<TaskStatusResponse> {
    return this.#requests.json({ method: 'POST', path: taskPath(taskId, 'answers'), body: answer, ...options });
  }

  // Events

  /**
   * A task's events, each once and in order: from the first on, or after a cursor, then live; the last one is `complete`. A
   * connection that is lost is made again, and goes on where it was. Leaving the loop closes it.
   */
  async *streamProgress(taskId: string, options: StreamOptions = {}): AsyncGenerator<TaskEvent, void> {
    for await (const { event } of follow(taskSource(taskId), this.#followSettings(options))) yield event;
  }

  /** The events of all tasks, each once and in order, with the cursor; it does not end by itself. */
  async *streamAllEvents(options: FeedOptions = {}): AsyncGenerator<FeedEntry, void> {
    // Its own place is asked for first: a connection that is lost before it brought one could not be gone on with.
    const after = options.after ?? (await this.getAllEvents(options)).next_after;
    const settings = this.#followSettings({ ...options, after });
    for await (const { cursor = after, event } of follow(feedSource(feedQuery(options)), settings)) {
      yield { cursor, event };
    }
  }

  /** A page of a task's events. */
  getEvents(taskId: string, options: PageOptions = {}): Promise<TaskEventsPage> {
    return this.#page(taskPath(taskId, 'events'), {}, options);
  }

  /** A page of the events of all tasks. Without `after` it is empty, and says where the feed is now. */
  getAllEvents(options: PageOptions & FeedFilter = {}): Promise<EventsPage> {
    return this.#page('/api/v1/events', feedQuery(options), options);
  }

  /** A ticket, which opens one stream, once, within a minute, as `?ticket=` in place of a key; without a task: that of all. */
  createTicket(taskId?: string, options?: CallOptions): Promise<TicketResponse> {
    const body = taskId === undefined ? {} : { task_id: taskId };
    return this.#requests.json({ method: 'POST', path: '/api/v1/tickets', body, ...options });
  }

  // Sessions

  /** The conversations, oldest first. */
  async listSessions(options?: CallOptions): Promise<SessionInfo[]> {
    const call = { method: 'GET', path: '/api/v1/sessions', ...options } as const;
    return (await this.#requests.json<{ sessions: SessionInfo[] }>(call)).sessions;
  }

  /** One conversation. */
  getSession(sessionId: string, options?: CallOptions): Promise<SessionInfo> {
    return this.#requests.json({ method: 'GET', path: sessionPath(sessionId), ...options });
  }

  /** Makes a session before its first task. */
  createSession(workspace: string, options: CallOptions & { sessionId?: string } = {}): Promise<SessionInfo> {
    const { sessionId, ...call } = options;
    return this.#newSession('/api/v1/sessions', { workspace }, sessionId, call);
  }

  /** Makes a session that begins with a copy of that one's conversation. */
  forkSession(origin: string, options: CallOptions & { sessionId?: string } = {}): Promise<SessionInfo> {
    const { sessionId, ...call } = options;
    return this.#newSession(sessionPath(origin, 'fork'), {}, sessionId, call);
  }

  /** What was said in a conversation so far, oldest first. */
  getTranscript(sessionId: string, options?: CallOptions): Promise<TranscriptEntry[]> {
    const call = { method: 'GET', path: sessionPath(sessionId, 'transcript'), ...options } as const;
    return this.#requests.answer(call, async (response) => {
      const lines = (await response.text()).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as TranscriptEntry);
    });
  }

  /** Ends a session; with `force` a busy one, too, whose task is interrupted. */
  deleteSession(sessionId: string, options: CallOptions & { force?: boolean } = {}): Promise<Deleted> {
    const { force, ...call } = options;
    return this.#delete(sessionPath(sessionId), { force }, `Session ${sessionId} deleted`, call);
  }

  // The server

  /** How the server is; also an unhealthy one says so in its answer. */
  healthCheck(options?: CallOptions): Promise<Health> {
    const call = { method: 'GET', path: '/health', expects: 503, ...options } as const;
    return this.#requests.answer(call, async (response) => {
      // A 503 of the server's own says how it is. One of a proxy in between is a page for people.
      const isOwn = response.ok || response.headers.get('content-type')?.startsWith('application/json') === true;
      if (!isOwn) throw await errorOf(response);
      return (await response.json()) as Health;
    });
  }

  /** Whether the server can take a task now. */
  isReady(options?: CallOptions): Promise<boolean> {
    const call = { method: 'GET', path: '/ready', expects: 503, ...options } as const;
    return this.#requests.answer(call, (response) => Promise.resolve(response.ok));
  }

  /** What this server can do, and lets the caller do. */
  getCapabilities(options?: CallOptions): Promise<Capabilities> {
    return this.#requests.json({ method: 'GET', path: '/api/v1/capabilities', ...options });
  }

  /** The servers that share a storage, oldest first; none when it is this server's alone. */
  async listInstances(options?: CallOptions): Promise<InstanceInfo[]> {
    const call = { method: 'GET', path: '/api/v1/instances', ...options } as const;
    return (await this.#requests.json<{ instances: InstanceInfo[] }>(call)).instances;
  }

  /** Hands a server nothing more; what it runs goes on. */
  drainInstance(instanceId: string, options?: CallOptions): Promise<Draining> {
    return this.#requests.json({ method: 'POST', path: drainPath(instanceId), ...options });
  }

  /** Hands a server tasks again. */
  undrainInstance(instanceId: string, options?: CallOptions): Promise<Draining> {
    return this.#requests.json({ method: 'DELETE', path: drainPath(instanceId), ...options });
  }

  #followSettings({ after, transport, signal, onReconnect }: StreamOptions): FollowSettings {
    return {
      requests: this.#requests,
      transport: transport ?? this.#transport,
      Socket: this.#Socket,
      retry: this.#reconnect,
      after,
      signal,
      onReconnect,
    };
  }

  #page<Page>(path: string, filter: Query, options: PageOptions): Promise<Page> {
    const { after, wait, signal } = options;
    const timeoutMs = options.timeoutMs ?? (wait ?? 0) * 1000 + this.#requests.settings.timeoutMs;
    return this.#requests.json({ method: 'GET', path, query: { ...filter, after, wait }, signal, timeoutMs });
  }

  async #newSession(path: string, body: object, id: string | undefined, options: CallOptions): Promise<SessionInfo> {
    const sessionId = id ?? newId();
    try {
      return await this.#requests.json({ method: 'POST', path, body: { ...body, session_id: sessionId }, ...options });
    } catch (error) {
      // Nobody else makes an id of ours: the try whose answer was lost took it.
      const isOurs = id === undefined && error instanceof ConflictError && error.followsLostAnswer;
      if (isOurs && error.code === 'session_id_taken') return await this.getSession(sessionId, options);
      throw error;
    }
  }

  async #delete(path: string, query: Query, message: string, options: CallOptions = {}): Promise<Deleted> {
    try {
      return await this.#requests.json({ method: 'DELETE', path, query, ...options });
    } catch (error) {
      // The try whose answer was lost deleted it.
      if (error instanceof NotFoundError && error.followsLostAnswer) return { message };
      throw error;
    }
  }
}

function checkedUrl(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new TypeError(
      `baseUrl is ${JSON.stringify(baseUrl)}, but has to be an address such as http://localhost:8000`,
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('baseUrl has to be an address without user, query and fragment; keys are given as apiKey');
  }
  return url.href.replace(/\/+$/, '');
}

function named(task: TaskRequest): TaskRequest {
  return { ...task, task_id: task.task_id ?? newId() };
}

function taskPath(taskId: string, ...rest: string[]): string {
  return ['/api/v1/tasks', encodeURIComponent(taskId), ...rest].join('/');
}

function sessionPath(sessionId: string, ...rest: string[]): string {
  return ['/api/v1/sessions', encodeURIComponent(sessionId), ...rest].join('/');
}

function drainPath(instanceId: string): string {
  return `/api/v1/instances/${encodeURIComponent(instanceId)}/drain`;
}

function taskQuery(filter: TaskFilter): Query {
  const { status, sessionId, workspace, labels, createdFrom, createdBefore, order, limit } = filter;
  return {
    status: status?.join(','),
    session_id: sessionId,
    workspace,
    label: labels,
    created_from: timeText(createdFrom),
    created_before: timeText(createdBefore),
    order,
    limit,
  };
}

function timeText(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}

function feedQuery({ taskId, sessionId, workspace, status, type }: FeedFilter): Query {
  return {
    task_id: taskId,
    session_id: sessionId,
    workspace,
    status: status?.join(','),
    type: type?.join(','),
  };
}
