import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answered, Asked } from './command-host.ts';

/** What a command came to, as its process would show it. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A process that runs commands of one program, one after the other. */
export interface CommandHost {
  /** Runs the command in a folder, with what it reads from standard input. */
  run(cwd: string, args: readonly string[], input?: string): Promise<Ended>;
}

/**
 * Starts a program once for all commands of a suite that end by themselves: each answers, and ends once nothing that it began is
 * left, as in a process of its own. It ends with the suite. `module`: what that process runs, which calls `answerCommands`.
 */
export function hostCommands(module: URL): CommandHost {
  let host: ChildProcess | undefined;
  let asked = 0;
  const waiting = new Map<number, PromiseWithResolvers<Ended>>();
  const start = (): ChildProcess => {
    const child = fork(fileURLToPath(module), [], { execArgv: ['--conditions=@postern/source'] });
    child.on('message', ({ number, ...ended }: Answered) => {
      waiting.get(number)?.resolve(ended);
      waiting.delete(number);
    });
    child.once('exit', (code) => {
      const error = new Error(`the process that runs commands ended by itself: ${code}`);
      for (const one of waiting.values()) one.reject(error);
    });
    return child;
  };
  return {
    run(cwd, args, input) {
      host ??= start();
      const number = asked++;
      const answer = Promise.withResolvers<Ended>();
      waiting.set(number, answer);
      host.send({ number, cwd, args, input } satisfies Asked);
      return answer.promise;
    },
  };
}
