import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DkimKey, dkimOwner, dkimRecord } from '@postern/mail';
import { silentLog, systemRandom } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { openDkim } from '../src/dkim.ts';
import { type DomainKeys, openDomainKeys } from '../src/domain.ts';
import { makeDkimKeys } from '../src/keys/dkim-keys.ts';
import { createDomainKey, rotateDomainKey } from '../src/keys/domain-keys.ts';
import { addNext, discardNext, dkimRing, domainRing, readRing } from '../src/keys/ring.ts';
import type { Loop } from '../src/loop.ts';
import type { Names } from '../src/names.ts';
import { type FakeClock, fakeClock, until } from './support.ts';

const startMs = Date.UTC(2033, 0, 1, 12);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

async function dataDirectory(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postern-publication-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  return dataDir;
}

function logInto(warnings: string[]) {
  return { ...silentLog, warn: (message: string) => void warnings.push(message) };
}

interface CountingClock extends FakeClock {
  /** How often somebody began to wait: a loop that does has looked. */
  readonly waits: number;
}

/** Counts the waits that were begun. */
function countingClock(): CountingClock {
  const inner = fakeClock(startMs);
  let waits = 0;
  return {
    ...inner,
    get waits() {
      return waits;
    },
    get waiting() {
      return inner.waiting;
    },
    wait(untilMs, signal) {
      waits += 1;
      return inner.wait(untilMs, signal);
    },
  };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Lets the loop look several times. */
async function looks(clock: CountingClock): Promise<void> {
  const enough = clock.waits + 10;
  for (let turns = 0; turns < 20 || clock.waits < enough; turns++) {
    await clock.advance(2_000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A gateway whose domain's key was just replaced. */
async function rotated() {
  const dataDir = await dataDirectory();
  const clock = countingClock();
  await createDomainKey(dataDir, 'b.test', startMs / 1_000);
  await rotateDomainKey(dataDir, 'b.test', startMs / 1_000);
  const warnings: string[] = [];
  const dns = { names: 'the old key', asked: 0, answered: Promise.resolve() };
  const consensus = { confirms: true };
  let keys: DomainKeys;
  let loop: Loop | undefined;
  const findFingerprint: Names['findFingerprint'] = async () => {
    dns.asked += 1;
    await dns.answered;
    if (dns.names === 'nothing') throw new Error('no answer');
    return dns.names === 'the new key' ? keys.fingerprints()[0] : 'ab'.repeat(20);
  };
  const start = async (resolves = true) => {
    await loop?.stop();
    keys = await openDomainKeys({ clock, log: logInto(warnings), dataDir, domain: 'b.test' });
    loop = keys.start(resolves ? { findFingerprint } : undefined, () => consensus.confirms);
    return keys;
  };
  onTestFinished(() => loop?.stop());
  /** Lets so many days pass, after which DNS is asked. */
  const pass = async (days: number): Promise<void> => {
    await looks(clock);
    const before = dns.asked;
    clock.set(clock.now() + days * dayMs);
    await until(async () => {
      await clock.advance(2_000);
      return dns.asked > before;
    });
  };
  const published = async (): Promise<string> =>
    readFile(join((await readRing(dataDir, domainRing)).current.dir, 'published'), 'utf8');
  return { dataDir, clock, dns, consensus, warnings, start, pass, published };
}

test('the domain’s key before is destroyed only after DNS has named the present one for the whole overlap', async () => {
  const { clock, dns, warnings, start, pass, published } = await rotated();
  const keys = await start();
  await looks(clock);
  clock.set(clock.now() + hourMs);
  await looks(clock);
  expect(dns.asked).toBe(2);
  // Once a day, and no more.
  expect(warnings).toHaveLength(1);
  await pass(100);
  await looks(clock);
  expect(warnings).toHaveLength(2);
  expect(keys.fingerprints()).toHaveLength(2);
  expect(keys.overlap()).toEqual({ publication: 'missing' });

  dns.names = 'the new key';
  const since = clock.now();
  await until(async () => {
    clock.set(clock.now() + hourMs);
    await clock.advance(2_000);
    return keys.overlap()?.publication === 'published';
  });
  const day = (await published()).trimEnd();
  // The clock went on by hours meanwhile.
  expect([dayOf(since), dayOf(clock.now())]).toContain(day);
  const end = new Date(Date.parse(day) + dayMs + domainRing.overlap * 1_000).toISOString();
  expect(keys.overlap()).toEqual({ publication: 'published', until: end });
  await pass(59);
  await looks(clock);
  expect(keys.fingerprints()).toHaveLength(2);
  await pass(2);
  await until(async () => {
    await clock.advance(2_000);
    return keys.fingerprints().length === 1;
  });
  expect(clock.now()).toBeGreaterThanOrEqual(Date.parse(end));
  expect(keys.overlap()).toBeUndefined();
});

test('the overlap outlives a restart, begins anew when DNS names another key, and never ends without an answer', async () => {
  const { clock, dns, start, pass } = await rotated();
  dns.names = 'the new key';
  const first = await start();
  await until(async () => {
    await clock.advance(2_000);
    return first.overlap()?.publication === 'published';
  });
  await pass(40);
  dns.names = 'nothing';
  const restarted = await start();
  await pass(40);
  await looks(clock);
  expect(restarted.fingerprints()).toHaveLength(2);
  expect(restarted.overlap()).toEqual({ publication: 'unknown', until: expect.any(String) });

  dns.names = 'the old key';
  await pass(1);
  await looks(clock);
  expect(restarted.overlap()).toEqual({ publication: 'missing' });
  dns.names = 'the new key';
  await pass(1);
  await pass(50);
  await looks(clock);
  expect(restarted.fingerprints()).toHaveLength(2);

  const without = await start(false);
  clock.set(clock.now() + 100 * dayMs);
  await looks(clock);
  expect(without.fingerprints()).toHaveLength(2);
  const again = await start();
  await until(async () => {
    await clock.advance(2_000);
    return again.fingerprints().length === 1;
  });
});

test('what DNS said before the clock was set destroys no key, until it says it again', async () => {
  const { clock, dns, start } = await rotated();
  dns.names = 'the new key';
  const keys = await start();
  await until(async () => {
    await clock.advance(2_000);
    return keys.overlap()?.publication === 'published';
  });
  const answer = Promise.withResolvers<void>();
  onTestFinished(() => answer.resolve());
  dns.answered = answer.promise;
  clock.set(clock.now() + 100 * dayMs);
  await looks(clock);
  expect(dns.asked).toBe(2);
  expect(keys.fingerprints()).toHaveLength(2);
  answer.resolve();
  await until(async () => {
    await clock.advance(2_000);
    return keys.fingerprints().length === 1;
  });
});

test('while no consensus confirms the clock the overlap neither begins nor ends', async () => {
  const { clock, dns, consensus, start, pass, published } = await rotated();
  dns.names = 'the new key';
  consensus.confirms = false;
  const keys = await start();
  await looks(clock);
  expect(keys.overlap()).toEqual({ publication: 'published' });
  await expect(published()).rejects.toMatchObject({ code: 'ENOENT' });
  consensus.confirms = true;
  await pass(1);
  await looks(clock);
  expect(keys.overlap()).toEqual({ publication: 'published', until: expect.any(String) });
  consensus.confirms = false;
  await pass(100);
  await looks(clock);
  expect(keys.fingerprints()).toHaveLength(2);
  consensus.confirms = true;
  await until(async () => {
    await clock.advance(2_000);
    return keys.fingerprints().length === 1;
  });
});

test('a key before that cannot be read is one all the same: DNS is asked, and status says so', async () => {
  const { dataDir, clock, dns, start } = await rotated();
  const path = join(dataDir, 'domain.key');
  await rename(path, `${path}.hidden`);
  await mkdir(path);
  dns.names = 'the new key';
  const keys = await start();
  expect(keys.fingerprints()).toHaveLength(1);
  expect(keys.overlap()).toEqual({ publication: 'unknown' });
  await looks(clock);
  expect(keys.overlap()).toEqual({ publication: 'published', until: expect.any(String) });
});

/** A gateway with DKIM keys, and others to follow. */
async function withNextDkim(inSeconds: number, resolves = true) {
  const dataDir = await dataDirectory();
  const clock = countingClock();
  await makeDkimKeys(dataDir, systemRandom);
  const warnings: string[] = [];
  const dkim = await openDkim({ clock, log: logInto(warnings), dataDir, domain: 'a.test' });
  let next: readonly DkimKey[] = [];
  const at = startMs / 1_000 + inSeconds;
  await addNext(dataDir, dkimRing, at, async (dir) => {
    next = await makeDkimKeys(dir, systemRandom);
  });
  const zone = new Map<string, string[]>();
  let answers = true;
  let meanwhile: Promise<void> | 'to be replaced' | undefined;
  const replace = async (): Promise<void> => {
    await discardNext(dataDir, dkimRing);
    await addNext(dataDir, dkimRing, at, (dir) => makeDkimKeys(dir, systemRandom));
  };
  const lookupTxt = async (name: string): Promise<string[]> => {
    if (!answers) throw new Error('no answer');
    if (meanwhile === 'to be replaced') meanwhile = replace();
    await meanwhile;
    return zone.get(name) ?? [];
  };
  const loop = dkim.start(resolves ? { lookupTxt } : undefined);
  onTestFinished(() => loop.stop());
  await until(async () => {
    await clock.advance(2_000);
    return dkim.status().some(({ phase }) => phase === 'next');
  });
  const signsWithNext = async (): Promise<boolean> => (await readRing(dataDir, dkimRing)).next === undefined;
  return {
    clock,
    warnings,
    zone,
    status: () => dkim.status().map(({ phase, publication }) => [phase, publication]),
    next: next.map((key) => ({ owner: dkimOwner('a.test', key), text: dkimRecord(key) })),
    signsWithNext,
    /** The next keys, by others, before DNS answers. Gives whether that has been done. */
    replaceWhileAsked(): () => Promise<boolean> {
      meanwhile = 'to be replaced';
      return async () => typeof meanwhile === 'object' && meanwhile.then(() => true);
    },
    setAnswers: (value: boolean) => {
      answers = value;
    },
  };
}

test('the next DKIM keys sign only once DNS has each of them at its selector', async () => {
  const { clock, warnings, zone, next, signsWithNext, setAnswers, status } = await withNextDkim(3_600);
  const [rsa, ed25519] = next;
  if (rsa === undefined || ed25519 === undefined) throw new Error('two keys are made');
  await looks(clock);
  const signs = [
    ['signs', undefined],
    ['signs', undefined],
  ];
  expect(status()).toEqual([['next', undefined], ['next', undefined], ...signs]);
  expect(warnings).toEqual([]);
  clock.set(clock.now() + hourMs);
  await looks(clock);
  expect(warnings).toHaveLength(1);
  expect(await signsWithNext()).toBe(false);
  expect(status()).toEqual([['next', 'missing'], ['next', 'missing'], ...signs]);
  zone.set(rsa.owner, [rsa.text]);
  await looks(clock);
  zone.set(ed25519.owner, [rsa.text]);
  await looks(clock);
  zone.set(ed25519.owner, [ed25519.text, rsa.text]);
  await looks(clock);
  // Without a type it is RSA's (RFC 6376 section 3.6.1): such a record is right for one of the two keys.
  zone.set(rsa.owner, [rsa.text.replace('k=rsa; ', '')]);
  zone.set(ed25519.owner, [ed25519.text.replace('k=ed25519; ', '')]);
  await looks(clock);
  expect(await signsWithNext()).toBe(false);
  setAnswers(false);
  zone.set(ed25519.owner, [ed25519.text.replace('; p=', ' ;  p= ')]);
  await looks(clock);
  expect(await signsWithNext()).toBe(false);
  expect(status()).toEqual([['next', 'unknown'], ['next', 'unknown'], ...signs]);
  setAnswers(true);
  await until(async () => {
    await clock.advance(2_000);
    return status().length === 4 && status()[0]?.[0] === 'signs';
  });
  expect(await signsWithNext()).toBe(true);
  expect(status()).toEqual([...signs, ['before', undefined], ['before', undefined]]);
});

test('published DKIM keys wait for their time', async () => {
  const { clock, zone, next, signsWithNext } = await withNextDkim(3_600);
  for (const { owner, text } of next) zone.set(owner, [text]);
  await looks(clock);
  expect(await signsWithNext()).toBe(false);
  clock.set(clock.now() + hourMs);
  await until(async () => {
    await clock.advance(2_000);
    return signsWithNext();
  });
});

test('DKIM keys that take the place of published ones, for the same time, wait for their own records', async () => {
  const { clock, zone, next, signsWithNext, status, replaceWhileAsked } = await withNextDkim(3_600);
  for (const { owner, text } of next) zone.set(owner, [text]);
  const replaced = replaceWhileAsked();
  clock.set(clock.now() + hourMs);
  await until(async () => {
    await clock.advance(2_000);
    return replaced();
  });
  await looks(clock);
  expect(await signsWithNext()).toBe(false);
  expect(status()[0]).toEqual(['next', 'missing']);
});

test('without anybody to ask, the log says at once and each day that the next DKIM keys never sign', async () => {
  const { clock, warnings, signsWithNext } = await withNextDkim(3_600, false);
  await looks(clock);
  expect(warnings).toEqual([expect.stringContaining('--discard')]);
  clock.set(clock.now() + dayMs);
  await looks(clock);
  expect(warnings).toHaveLength(2);
  expect(await signsWithNext()).toBe(false);
});
