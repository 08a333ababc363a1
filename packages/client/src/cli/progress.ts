import type { SubmissionConfig } from '../account/settings.ts';
import type { PrefetchProgress } from '../domains/index.ts';
import type { Progress } from '../requests.ts';
import { whyWaiting } from './submission.ts';
import { count } from './table.ts';
import type { Terminal } from './terminal.ts';
import { visible } from './visible.ts';

export interface ProgressLine {
  readonly report: (progress: Progress) => void;
  /** Of a prefetch: when it goes on. A log gets one line, at the start. */
  readonly waiting: (progress: PrefetchProgress) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

/** Messages of fewer packets are done before anyone could read a line about them. */
const longMessage = 20;

/** `server`: that of `[submission]`. For a person one line that changes, at most ten times a second; for a log a line for each tenth of the way. */
export function progressLine(terminal: Terminal, server?: SubmissionConfig): ProgressLine {
  let drawnAt = 0;
  let drawn = false;
  let tenth = '';
  const draw = (text: string): void => {
    terminal.stderr.write(`\r\u001b[K${text}`);
    drawn = true;
    drawnAt = Date.now();
  };
  return {
    report(progress) {
      if (progress.kind === 'pause') {
        const seconds = Math.ceil((progress.untilMs - Date.now()) / 1000);
        const text = visible(`${whyWaiting(progress.waiting, server)}; trying again in ${seconds} s`);
        if (terminal.watched) draw(text);
        else terminal.stderr.write(`postern: ${text}\n`);
        return;
      }
      const { kind, done, of, bytes } = progress;
      if (of < longMessage) return;
      const text = `${kind} ${done} of ${of}, ${(bytes / 1e6).toFixed(1)} MB`;
      if (terminal.watched) {
        if (Date.now() - drawnAt >= 100 || done === of) draw(text);
        return;
      }
      const step = `${kind} ${Math.floor((10 * done) / of)}`;
      if (step !== tenth) terminal.stderr.write(`postern: ${text}\n`);
      tenth = step;
    },
    waiting({ done, of, nextMs, lastMs }) {
      const last = new Date(lastMs).toISOString();
      if (terminal.watched)
        draw(
          `asked for ${done} of ${count(of, 'domain')}; next at ${new Date(nextMs).toISOString()}, last at ${last}`,
        );
      else if (done === 0)
        terminal.stderr.write(
          `postern: asks DNS for ${count(of, 'domain')}, each at a time of its own, the last at ${last}\n`,
        );
    },
    end() {
      if (drawn) terminal.stderr.write('\r\u001b[K');
    },
  };
}
