import { encodeBase64 } from '../codec/base64.ts';
import { encodeHex } from '../codec/hex.ts';
import type { Descriptor } from '../consensus/documents.ts';
import type { Agenda, Registered } from '../consensus/tabulate.ts';
import { appendLeaf, emptyRange, hashOfLeaf, headOf, type LogHead } from '../log/index.ts';
import { defaultGeometry } from '../packet/index.ts';
import { sha256 } from '../primitives/index.ts';
import { type TestAuthority, testAuthority } from './authority.ts';
import { gatewayOf, type TestNode, testDescriptor, testNode } from './node.ts';
import { seeded } from './seeded.ts';

// What the tests of `consensus` are about: a small network at epoch 1000 of one hour each.

export const epoch = 1_000;
export const epochSeconds = 3_600;
/** Unix seconds: a minute into the epoch. */
export const now: number = epoch * epochSeconds + 60;

export const authority1: TestAuthority = testAuthority('authority1.test', { now });
export const authority2: TestAuthority = testAuthority('authority2.test', { now });
export const authority3: TestAuthority = testAuthority('authority3.test', { now });

/** The keys of the node that `mix(name)` describes. */
export function keysOf(name: string): TestNode {
  const made = keys.get(name) ?? testNode(name, { now });
  keys.set(name, made);
  return made;
}

const keys = new Map<string, TestNode>();

/** Descriptors as they are counted. Signing so many takes longer than what is tested: what stands for the note is the JSON. */
export function registered(descriptors: readonly Descriptor[]): Registered[] {
  return descriptors.map((descriptor) => ({
    descriptor,
    digest: encodeHex(sha256(new TextEncoder().encode(JSON.stringify(descriptor)))),
  }));
}

export function mix(name: string, change: Partial<Descriptor> = {}): Descriptor {
  return testDescriptor(name, keysOf(name), { epoch, published: now - 30 }, change);
}

export function gateway(name: string, change: Partial<Descriptor> = {}): Descriptor {
  return mix(name, { ...gatewayOf([name.replace('gateway.', '')]), ...change });
}

/** Gateways that take about as much room as one may. What they have for identity keys is of no seed. */
export function longGateways(count: number, change: Partial<Descriptor> = {}): Descriptor[] {
  const label = 'x'.repeat(63);
  const long = (start: string): string => `${start}.${'x'.repeat(40)}.${label}.${label}.${label}.test`;
  const tlsPins = ['ab'.repeat(32), 'cd'.repeat(32)];
  const smtp = { host: long('mx'), port: 2525 };
  const one = gateway('gateway.test', { smtp, tlsPins, mirror: `https://${long('mirror')}`, ...change });
  return Array.from({ length: count }, (_, at) => ({
    ...one,
    name: long(`g${at}`),
    identityKey: encodeBase64(sha256(new TextEncoder().encode(`gateway ${at}`))),
    domains: [0, 1, 2, 3].map((n) => long(`d${at}-${n}`)),
  }));
}

/** A log of one consensus, of the epoch before. */
export const before: { previous: string; log: LogHead } = {
  previous: 'a'.repeat(64),
  log: headOf(appendLeaf(emptyRange, hashOfLeaf({ epoch: epoch - 1, digest: 'a'.repeat(64) }))),
};

export const agenda: Agenda = {
  epoch,
  epochSeconds,
  geometry: defaultGeometry,
  meanDelayMs: 200,
  width: { least: 100, most: 100, perMix: 1_000 },
  earlier: [],
  shared: seeded('shared').bytes(32),
  previous: '',
  log: headOf(emptyRange),
  revoked: [],
  votes: [{ authority: 'authority1.test', digest: '1'.repeat(64) }],
  reveals: [{ authority: 'authority1.test', digest: '2'.repeat(64) }],
};
