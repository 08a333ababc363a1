import { answerIn } from '../src/answer.ts';

export interface Setup {
  readonly name: string;
  /** Whether a thread that is set up with it dies of it. */
  readonly deadly: boolean;
}

export type Task = 'answer' | 'die';

answerIn<Setup, Task, string>(({ name, deadly }) => {
  if (deadly) throw Object.assign(new Error('hidden words'), { code: 'deadly-setup' });
  return async (task) => {
    if (task === 'die') throw Object.assign(new Error('hidden words'), { code: 'deadly-task' });
    return name;
  };
});
