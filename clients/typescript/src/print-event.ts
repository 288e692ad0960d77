import type { TaskEvent } from './events.js';
import type { CompleteData, MessageData, Progress } from './types.js';

/** Longest text that is shown of an event, in characters. */
const MOST_CHARACTERS = 300;

/** Prints an event as a readable line, as `claude-code-server run` does; nothing for one that says nothing to people. */
export function printEvent(event: TaskEvent): void {
  const line = formatEvent(event);
  if (line !== undefined) console.log(line);
}

/** An event as a readable line that cannot take over the terminal or show itself as another one; `undefined` for one that says nothing to people. */
export function formatEvent(event: TaskEvent): string | undefined {
  switch (event.type) {
    case 'message':
      return messageLine(event.data);
    case 'tool_use':
      return line('tool', `${event.data.tool_name} ${tellingInput(event.data.tool_input)}`);
    case 'tool_result': {
      const { tool_name, content, is_error } = event.data;
      return is_error ? line('refused', `${tool_name}: ${content}`) : line('result', content);
    }
    case 'progress':
      return line('progress', counters(event.data));
    case 'status':
      return line('status', [event.data.status, event.data.waits_for ?? ''].join(' '));
    case 'error':
      return line('error', event.data.error);
    case 'complete':
      return completeLine(event.data);
    default:
      return undefined;
  }
}

function messageLine({ message_type, subtype, content, data }: MessageData): string | undefined {
  switch (message_type) {
    case 'assistant':
      return line('agent', content);
    case 'thinking':
      return line('thinks', content);
    case 'user':
      return line('told', content);
    case 'system':
      if (subtype === 'init') return line('agent', typeof data?.['model'] === 'string' ? data['model'] : 'is ready');
      return subtype === 'agent_question' ? line('question', content) : undefined;
    default:
      return undefined;
  }
}

function completeLine(data: CompleteData): string {
  const ending = line(data.status, `${counters(data)}, $${data.total_cost_usd.toFixed(4)}`);
  return [ending, ...data.errors.map((error) => line('error', error))].join('\n');
}

function counters({ turns, tokens_used, files_modified, elapsed_time_ms }: Progress): string {
  const seconds = (elapsed_time_ms / 1000).toFixed(1);
  return `${String(turns)} turns, ${String(tokens_used)} tokens, ${String(files_modified)} files modified, ${seconds} s`;
}

/** The part of a tool's input that says most. */
function tellingInput(input: Record<string, unknown>): string {
  const telling = ['command', 'file_path', 'path', 'pattern', 'url', 'description'];
  const found = telling.map((name) => input[name]).find((value) => typeof value === 'string');
  return typeof found === 'string' ? found : JSON.stringify(input);
}

function line(label: string, text: string): string {
  // Control characters could take over the terminal; what is invisible or turns the text around could hide what it says.
  const characters = Array.from(
    text.replace(/\p{Cc}/gu, ' ').replace(/(?![\u200C\u200D])[\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD'),
  );
  const short = characters.slice(0, MOST_CHARACTERS).join('');
  return `${label.padStart(11)}  ${short}${characters.length > MOST_CHARACTERS ? '…' : ''}`;
}
