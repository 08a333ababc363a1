import { on } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { ExitCode, UserError } from './errors.ts';

/**
 * Asks at the terminal of this session, whatever standard input and output are, without echo. Nothing when there is no
 * terminal. Throws the reason of `stop` when that aborts, `UserError` when nothing is entered; the terminal is left as it
 * was, whatever ends the question, which must hold nothing that a terminal acts on.
 */
export async function askSecretly(question: string, stop: AbortSignal): Promise<string | undefined> {
  stop.throwIfAborted();
  const fd = openTerminal();
  if (fd === undefined) return undefined;
  const terminal = new ReadStream(fd);
  try {
    terminal.setRawMode(true);
    writeSync(fd, question);
    return await readLine(terminal, stop);
  } catch (error) {
    stop.throwIfAborted();
    throw error;
  } finally {
    // Before the stream goes: without it there is no way left to the terminal's mode.
    terminal.setRawMode(false);
    writeSync(fd, '\n');
    terminal.destroy();
  }
}

/**
 * Asks yes or no at the terminal of this session, whatever standard input and output are. Nothing when there is no terminal; anything but
 * yes is no. Throws the reason of `stop` when that aborts.
 */
export async function confirm(question: string, stop: AbortSignal): Promise<boolean | undefined> {
  stop.throwIfAborted();
  const fd = openTerminal();
  if (fd === undefined) return undefined;
  const terminal = new ReadStream(fd);
  try {
    writeSync(fd, question);
    for await (const [line] of on(terminal, 'data', { signal: stop, close: ['end', 'close'] }))
      return /^y(es)?\s*$/i.test(String(line));
    return false;
  } catch (error) {
    stop.throwIfAborted();
    throw error;
  } finally {
    terminal.destroy();
  }
}

function openTerminal(): number | undefined {
  try {
    return openSync('/dev/tty', 'r+');
  } catch {
    return undefined;
  }
}

/** Keys until Return. In raw mode the terminal itself acts on none of them, so Backspace, ^U, ^C and ^D are ours to do. */
async function readLine(terminal: ReadStream, stop: AbortSignal): Promise<string> {
  terminal.setEncoding('utf8');
  let line = '';
  for await (const [keys] of on(terminal, 'data', { signal: stop, close: ['end', 'close'] })) {
    for (const key of keys as string) {
      if (key === '\r' || key === '\n') return line;
      if (key === '\u0003' || key === '\u0004')
        throw new UserError('nothing was entered', { exitCode: ExitCode.usage });
      if (key === '\u007f' || key === '\b') line = Array.from(line).slice(0, -1).join('');
      else if (key === '\u0015') line = '';
      else line += key;
    }
  }
  throw new UserError('the terminal closed before anything was entered', { exitCode: ExitCode.usage });
}
