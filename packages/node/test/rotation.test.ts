import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { generateDomainKey } from '@postern/protocol/envelope';
import { systemClock } from '@postern/runtime';
import { expect, test } from 'vitest';
import { rotateDomainKey } from '../src/keys/domain-keys.ts';
import type { NodeStatus } from '../src/status.ts';
import { publishedCertificate, startNetwork, type TestNetwork } from './network.ts';
import { message, seeded, until } from './support.ts';

const random = seeded('rotation');

/** A network whose domain's key is changed while messages go to it. */
class Rotating implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly dataDir: string;
  readonly sent: string[] = [];

  static async start(): Promise<Rotating> {
    return new Rotating(await startNetwork());
  }

  private constructor(network: TestNetwork) {
    this.network = network;
    this.dataDir = network.configs.get('gate.b.test')?.dataDir ?? '';
  }

  /** Messages for bob, each of one packet. */
  async send(certificate: Uint8Array, count: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      const sealed = message(random, 500 + this.sent.length);
      this.sent.push(Buffer.from(sealed).toString('hex'));
      for (const { first, packet } of await this.network.packets(sealed, { certificate }))
        if ((await this.network.handOver(first, packet)).kind !== 'sent') throw new Error('not handed over');
    }
  }

  async arrived(): Promise<string[]> {
    const messages = await this.network.mailbox('bob');
    return messages.map((bytes) => Buffer.from(bytes).toString('hex')).sort();
  }

  /** What was sent, once as many have arrived. */
  async awaited(): Promise<string[]> {
    await until(async () => (await this.arrived()).length === this.sent.length);
    return [...this.sent].sort();
  }

  certificate(): Promise<Uint8Array> {
    return publishedCertificate(this.network.folder, systemClock);
  }

  /** Makes a new key, and gives its certificate. */
  async rotate(): Promise<Uint8Array> {
    await rotateDomainKey(this.dataDir, 'b.test', Math.floor(systemClock.now() / 1_000));
    return this.certificate();
  }

  async status(): Promise<NodeStatus> {
    const status = await this.network.nodes.get('gate.b.test')?.status();
    if (status === undefined) throw new Error('the gateway does not run');
    return status;
  }

  async restart(meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
    await this.network.nodes.get('gate.b.test')?.close();
    await meanwhile();
    await this.network.start('gate.b.test');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
  }
}

/** Makes a file unreadable, to root as well: a folder stands in its place. Resolves to what undoes it. */
async function hide(path: string): Promise<() => Promise<void>> {
  await rename(path, `${path}.hidden`);
  await mkdir(path);
  return async () => {
    await rmdir(path);
    await rename(`${path}.hidden`, path);
  };
}

test('C6 the domain gets another key while messages are on their way: all arrive, under the old one and the new, and none under another’s', async () => {
  await using rotating = await Rotating.start();
  const before = await rotating.certificate();
  await rotating.send(before, 10);
  const after = await rotating.rotate();
  expect(after).not.toEqual(before);
  await rotating.send(before, 10);
  await until(async () => (await rotating.status()).domainKeys.length === 2);
  await rotating.send(after, 10);
  await rotating.send(before, 10);
  const sent = await rotating.awaited();
  expect(await rotating.arrived()).toEqual(sent);
  expect((await rotating.status()).counters.unwrapped?.refused).toBe(0);
  const { certificate } = await generateDomainKey('b.test');
  await rotating.send(certificate, 3);
  await until(async () => (await rotating.status()).counters.unwrapped?.refused === 3);
  expect(await rotating.arrived()).toEqual(sent);
});

test('what comes under an old key that cannot be read waits, over restarts too, and arrives once it can', async () => {
  await using rotating = await Rotating.start();
  const before = await rotating.certificate();
  const after = await rotating.rotate();
  let restore = async (): Promise<void> => undefined;
  await rotating.restart(async () => {
    restore = await hide(join(rotating.dataDir, 'domain.key'));
  });
  expect((await rotating.status()).domainKeys).toHaveLength(1);
  await rotating.send(before, 5);
  await until(async () => (await rotating.status()).counters.unwrapped?.deferred === 5);
  await rotating.send(after, 5); // these go past them
  await until(async () => (await rotating.arrived()).length === 5);
  await rotating.restart();
  await until(async () => (await rotating.status()).counters.unwrapped?.deferred === 5);
  expect((await rotating.status()).counts.inputs).toBe(5);
  expect(await rotating.arrived()).toHaveLength(5);
  await restore();
  const sent = await rotating.awaited();
  expect(await rotating.arrived()).toEqual(sent);
  const { counters, counts, domainKeys } = await rotating.status();
  expect(domainKeys).toHaveLength(2);
  expect(counts.inputs).toBe(0);
  expect(counters.unwrapped?.refused).toBe(0);
});

test('what waits for a key that is lost for good is refused', async () => {
  await using rotating = await Rotating.start();
  const before = await rotating.certificate();
  await rotating.rotate();
  const path = join(rotating.dataDir, 'domain.key');
  await rotating.restart(async () => void (await hide(path)));
  await rotating.send(before, 3);
  await until(async () => (await rotating.status()).counters.unwrapped?.deferred === 3);
  await rm(path, { recursive: true });
  await until(async () => (await rotating.status()).counters.unwrapped?.refused === 3);
  expect(await rotating.status()).toMatchObject({ counts: { inputs: 0 }, domainKeyOverlap: null });
});

test('an old key that a node has read goes on opening while its file cannot be read, and others are added', async () => {
  await using rotating = await Rotating.start();
  const before = await rotating.certificate();
  await rotating.rotate();
  await until(async () => (await rotating.status()).domainKeys.length === 2);
  await hide(join(rotating.dataDir, 'domain.key'));
  const after = await rotating.rotate();
  await until(async () => (await rotating.status()).domainKeys.length === 3);
  await rotating.send(before, 3);
  await rotating.send(after, 3);
  const sent = await rotating.awaited();
  expect(await rotating.arrived()).toEqual(sent);
  expect((await rotating.status()).counters.unwrapped).toMatchObject({ refused: 0, deferred: 0 });
});
