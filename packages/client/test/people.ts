import { seeded } from '@postern/protocol/testing';
import { onTestFinished } from 'vitest';
import { type Client, type ClientOptions, createClient, pathsUnder } from '../src/index.ts';
import { type SteppedClock, steppedClock } from './clock.ts';
import { folder } from './folder.ts';
import type { Network } from './network.ts';

export interface Person {
  readonly client: Client;
  readonly clock: SteppedClock;
  readonly home: string;
  readonly mailbox: string;
}

/** Someone with a key of their own. */
export async function person(
  network: Network,
  mailbox: string,
  now: number,
  options: Partial<ClientOptions> = {},
): Promise<Person> {
  const home = await folder();
  const clock = steppedClock(now);
  const client = createClient({
    paths: pathsUnder(home),
    config: network.config(mailbox),
    clock,
    random: seeded(mailbox),
    ...options,
  });
  onTestFinished(() => client[Symbol.asyncDispose]());
  await client.keys.generate(mailbox, { noPassphrase: true });
  return { client, clock, home, mailbox };
}

/** Each gets the other's certificate, and the record of the other's domain. */
export async function introduce(network: Network, ...people: readonly Person[]): Promise<void> {
  for (const one of people) {
    for (const other of people) {
      if (one === other) continue;
      await one.client.keys.import(Buffer.from(await other.client.keys.export(other.mailbox)));
      const zone = network.zones.get(other.mailbox.slice(other.mailbox.lastIndexOf('@') + 1));
      if (zone !== undefined) await one.client.domains.pin(zone);
    }
  }
}

export function message(fields: Record<string, string>, body = 'Hello.\r\n'): Uint8Array {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${lines.join('')}\r\n${body}`);
}
