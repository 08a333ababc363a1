import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createSmtpSender, makeCarriage, type SendResult, type SmtpPeer } from '@postern/mail';
import { systemRandom } from '@postern/runtime';
import { unit } from './spool-contract.ts';
import { until } from './support.ts';

/** The receiving stages in a process of their own. */
export interface Receiver {
  /** Hands it so many carriages at the same time. */
  send(count?: number): Promise<SendResult[]>;
  kill(): Promise<void>;
}

/** Starts them behind `before`, a command that runs another; `receive-child.ts` says what may be given. */
export async function startReceiver(before: readonly string[], ...given: string[]): Promise<Receiver> {
  const program = new URL('./receive-child.ts', import.meta.url).pathname;
  const node = [process.execPath, '--conditions=@postern/source', program, ...given];
  const [command = '', ...rest] = [...before, ...node];
  // A process group of its own: what watches the receiver must not outlive it, nor it the watcher.
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  return {
    send: await addressOf(child).then((peer) => (count) => send(peer, count)),
    async kill() {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      process.kill(-child.pid, 'SIGKILL');
      await until(() => child.exitCode !== null || child.signalCode !== null);
    },
  };
}

async function addressOf(child: ChildProcess): Promise<SmtpPeer> {
  if (child.stdout === null) throw new Error('no standard output');
  for await (const line of createInterface(child.stdout)) {
    const [port, tlsPin = ''] = line.split(' ');
    return { host: '127.0.0.1', port: Number(port), tlsPin };
  }
  throw new Error('the receiver did not start');
}

async function send(peer: SmtpPeer, count = 1): Promise<SendResult[]> {
  await using sender = createSmtpSender({ ehloName: 'a.test' });
  return await Promise.all(
    Array.from({ length: count }, () =>
      sender.send(peer, {
        from: 'secure@a.test',
        to: 'secure@mix1.test',
        message: makeCarriage({
          fromDomain: 'a.test',
          toDomain: 'mix1.test',
          bytes: unit().bytes,
          now: new Date(),
          random: (length) => systemRandom.bytes(length),
        }),
      }),
    ),
  );
}
