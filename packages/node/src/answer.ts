import { parentPort } from 'node:worker_threads';
import { handedOver } from './handed-over.ts';

type Message<Setup, Task> = { readonly setup: Setup } | { readonly task: Task };

/**
 * The far side of a pool: answers tasks one after the other with what `prepare` made of the last setup. `bytesOf` an answer are handed over
 * and not copied.
 */
export function answerIn<Setup, Task, Answer>(
  prepare: (setup: Setup) => Promise<(task: Task) => Promise<Answer>> | ((task: Task) => Promise<Answer>),
  bytesOf: (answer: Answer) => readonly Uint8Array[] = () => [],
): void {
  const port = parentPort;
  if (port === null) return;
  let work: (task: Task) => Promise<Answer> = () => Promise.reject(new Error('a task came before the setup'));
  let turn = Promise.resolve();
  port.on('message', (message: Message<Setup, Task>) => {
    // A rejection here is left unhandled on purpose: it ends the thread, and the pool tells whoever asked.
    turn = turn.then(async () => {
      if ('setup' in message) work = await prepare(message.setup);
      else {
        const answer = await work(message.task);
        port.postMessage(answer, handedOver(bytesOf(answer)));
      }
    });
  });
}
