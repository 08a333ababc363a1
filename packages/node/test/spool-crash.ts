import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Spool } from '../src/spool.ts';
import { crashRelay, crashUnit } from './crash-units.ts';
import { seeded } from './support.ts';

/** Where a child keeps its spool, and this process afterwards. */
export interface CrashSite {
  /** What `crash-child.ts` is told of the spool. */
  readonly place: readonly [store: 'sqlite' | 'redis', path: string];
  open(): Promise<Spool>;
  /** What else happens each time before the next child starts. */
  between?(): Promise<void>;
  dispose(): Promise<void>;
}

const rounds = 6;

/** What every store has to hold whose process is killed. */
export function crashContract(name: string, createSite: () => Promise<CrashSite>): void {
  describe(`a killed spool, ${name}`, () => {
    let site: CrashSite;
    beforeEach(async () => {
      site = await createSite();
    });
    afterEach(() => site.dispose());

    test('Q1 killed at any moment, a spool has everything it acknowledged, each as input or as relay and never as both', async () => {
      const chance = seeded('kill');
      const acknowledged = new Set<number>();
      for (let round = 0; round < rounds; round++) {
        const lines = 20 + ((chance.bytes(1)[0] ?? 0) % 60);
        for (const number of await runAndKill(site.place, round * 10_000, lines)) acknowledged.add(number);
        await site.between?.();
      }
      expect(acknowledged.size).toBeGreaterThan(rounds * 5);

      await using spool = await site.open();
      const inputs = await numbersOfInputs(spool);
      const relays = await numbersOfRelays(spool);
      const both = [...inputs, ...relays];
      expect(new Set(both).size).toBe(both.length);
      expect([...acknowledged].filter((number) => !both.includes(number))).toEqual([]);

      // A relay has its tag and an input has none: what is taken in again shows which.
      for (const number of [...relays.slice(0, 5), ...inputs.slice(0, 5)]) {
        await spool.accept(crashUnit(number));
        const [input] = await spool.claimInputs('packet', 1);
        const { kind } = await spool.settle(input?.id ?? '', crashRelay(number));
        expect([number, kind]).toEqual([number, relays.includes(number) ? 'replayed' : 'waiting']);
      }
    });
  });
}

/** Runs the child until it has written so many lines, kills it, and gives the numbers that it acknowledged. */
async function runAndKill(place: CrashSite['place'], first: number, lines: number): Promise<number[]> {
  const program = new URL('./crash-child.ts', import.meta.url).pathname;
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=@postern/source', program, ...place, String(first)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const acknowledged: number[] = [];
  let seen = 0;
  if (child.stdout === null) throw new Error('no standard output');
  for await (const line of createInterface(child.stdout)) {
    const [what, number] = line.split(' ');
    if (what === 'accepted') acknowledged.push(Number(number));
    if (++seen === lines) child.kill('SIGKILL');
  }
  expect(
    child.signalCode ?? (await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))),
  ).toBe('SIGKILL');
  return acknowledged;
}

/** Every input, left claimed. */
async function numbersOfInputs(spool: Spool): Promise<number[]> {
  const inputs = await spool.claimInputs('packet', 100_000);
  for (const { bytes } of inputs) {
    const number = Buffer.from(bytes).readUInt32BE(1);
    expect(Buffer.compare(bytes, crashUnit(number).bytes)).toBe(0);
  }
  return inputs.map(({ bytes }) => Buffer.from(bytes).readUInt32BE(1));
}

async function numbersOfRelays(spool: Spool): Promise<number[]> {
  const numbers: number[] = [];
  for (const { id } of await spool.relays.claim(100_000)) {
    const bytes = await spool.relays.read(id);
    const number = Buffer.from(bytes ?? []).readUInt32BE(1);
    expect(Buffer.compare(bytes ?? new Uint8Array(), crashRelay(number).relay.bytes)).toBe(0);
    numbers.push(number);
  }
  return numbers;
}
