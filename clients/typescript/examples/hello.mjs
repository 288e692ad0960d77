import { ClaudeServerClient, printEvent } from 'claude-code-server-client';

process.stdout.on('error', () => process.exit(141)); // nobody reads on, as after `| head`
const client = new ClaudeServerClient({ baseUrl: 'http://localhost:8000' });
const task = await client.submitTask({
  prompt: 'Create hello.py that prints a greeting and run it',
  workspace: process.cwd(),
});
for await (const event of client.streamProgress(task.task_id)) printEvent(event);
const { status, result } = await client.waitForTask(task.task_id);
console.log(status, result.summary);
