import { encodeBase64 } from '../codec/base64.ts';
import type { Descriptor } from '../consensus/documents.ts';
import { keyEpochsPublished } from '../consensus/schedule.ts';
import type { Agenda } from '../consensus/tabulate.ts';
import { appendLeaf, emptyRange, hashOfLeaf, headOf, type LogHead } from '../log/index.ts';
import { defaultGeometry, generateMixKey } from '../packet/index.ts';
import { ed25519 } from '../primitives/index.ts';
import { type TestAuthority, testAuthority } from './authority.ts';
import { seeded } from './seeded.ts';

// What the tests of `consensus` are about: a small network at epoch 1000 of one hour each.

export const epoch = 1_000;
export const epochSeconds = 3_600;
/** Unix seconds: a minute into the epoch. */
export const now: number = epoch * epochSeconds + 60;

export const authority1: TestAuthority = testAuthority('authority1.test', { now });
export const authority2: TestAuthority = testAuthority('authority2.test', { now });
export const authority3: TestAuthority = testAuthority('authority3.test', { now });

/** One public key serves all: making them takes longer than what is tested. */
const mixKey = encodeBase64(generateMixKey(seeded('mix key')).publicKey);

/** The identity seed of the node that `mix(name)` describes. */
export function seedOf(name: string): Uint8Array {
  return seeded(name).bytes(32);
}

export function mix(name: string, change: Partial<Descriptor> = {}): Descriptor {
  return {
    version: 1,
    name,
    roles: ['mix'],
    identityKey: encodeBase64(ed25519.publicKey(seedOf(name))),
    smtp: { host: '127.0.0.1', port: 2525 },
    tlsPins: ['ab'.repeat(32)],
    family: '',
    domains: [],
    mixKeys: keyEpochsPublished(epoch).map((one) => ({ epoch: one, key: mixKey })),
    published: now - 30,
    ...change,
  };
}

export function gateway(name: string, change: Partial<Descriptor> = {}): Descriptor {
  return mix(name, { roles: ['delivery'], domains: [name.replace('gateway.', '')], mixKeys: [], ...change });
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
  shared: seeded('shared').bytes(32),
  previous: '',
  log: headOf(emptyRange),
  revoked: [],
  votes: [{ authority: 'authority1.test', digest: '1'.repeat(64) }],
  reveals: [{ authority: 'authority1.test', digest: '2'.repeat(64) }],
};
