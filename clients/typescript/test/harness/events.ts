import type { ClaudeServerClient, TaskEvent } from 'claude-code-server-client';

/** All that an iterator gives. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The first item that fits. Leaves the iterator. */
export async function first<Item>(
  items: AsyncIterable<Item>,
  fits: (item: Item) => boolean = () => true,
): Promise<Item> {
  for await (const item of items) if (fits(item)) return item;
  throw new Error('the iterator ended before');
}

/** The events of a task that has ended, as the server's pages have them. */
export async function logOf(client: ClaudeServerClient, taskId: string): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  for (let after = 0; ;) {
    const page = await client.getEvents(taskId, { after });
    events.push(...page.events);
    after = page.next_after;
    if (page.complete) return events;
  }
}

/** The agent's texts. */
export function textsOf(events: TaskEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === 'message' && event.data.message_type === 'assistant' ? [event.data.content] : [],
  );
}
