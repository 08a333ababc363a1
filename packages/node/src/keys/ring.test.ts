import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DomainRecord, parseZone } from '@postern/protocol/dns';
import { loadEnvelopeKey } from '@postern/protocol/envelope';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDomainKey, loadDomainKey, renewRecord, rotateDomainKey } from './domain-keys.ts';
import {
  addNext,
  discardNext,
  domainRing,
  finishForgetting,
  forgetPast,
  promote,
  readRing,
  tlsRing,
} from './ring.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-ring-'));
});
afterEach(() => rm(folder, { recursive: true }));

const now = 1_800_000_000;

describe('what follows a key', () => {
  const make = (text: string) => async (dir: string) => {
    await writeFile(join(dir, 'tls.key'), text);
    await writeFile(join(dir, 'tls.crt'), text);
  };
  /** Of the next one, the one in force and those before. */
  const contents = async (): Promise<(string | undefined)[]> => {
    const { next, current, previous } = await readRing(folder, tlsRing);
    return Promise.all(
      [next, current, ...previous].map(async (one) => one && readFile(join(one.dir, 'tls.key'), 'utf8')),
    );
  };
  const promoteNext = async (at: number): Promise<boolean> => {
    const { next } = await readRing(folder, tlsRing);
    if (next === undefined) throw new Error('nothing is next');
    return promote(folder, tlsRing, next, at);
  };
  beforeEach(() => make('first')(folder));

  test('is next, then in force, and the one before goes after the overlap', async () => {
    expect(await contents()).toEqual([undefined, 'first']);
    await addNext(folder, tlsRing, now, make('second'));
    expect(await contents()).toEqual(['second', 'first']);
    await promoteNext(now + 5);
    expect(await contents()).toEqual([undefined, 'second', 'first']);
    await expect(promoteNext(now + 6)).rejects.toThrow('nothing is next');
    expect((await readRing(folder, tlsRing)).current.at).toBe(now + 5);
    expect(await forgetPast(folder, tlsRing, now + 4 + tlsRing.overlap)).toBe(0);
    expect(await forgetPast(folder, tlsRing, now + 5 + tlsRing.overlap)).toBe(1);
    expect(await contents()).toEqual([undefined, 'second']);
    expect(await readdir(folder)).toEqual([tlsRing.folder]);

    await addNext(folder, tlsRing, now, make('third'));
    await promoteNext(now + 9);
    expect(await contents()).toEqual([undefined, 'third', 'second']);
    expect(await forgetPast(folder, tlsRing, now + 9 + tlsRing.overlap)).toBe(1);
    expect(await readdir(join(folder, tlsRing.folder))).toEqual([`since-${now + 9}`]);
  });

  test('is one at a time', async () => {
    await addNext(folder, tlsRing, now, make('second'));
    await expect(addNext(folder, tlsRing, now, make('third'))).rejects.toMatchObject({
      code: 'rotation-under-way',
      hint: expect.any(String),
    });
    expect(await contents()).toEqual(['second', 'first']);
  });

  test('is destroyed when it is taken back, by a command and a node at the same time too', async () => {
    expect(await discardNext(folder, tlsRing)).toBe(false);
    for (let round = 0; round < 20; round++) {
      await addNext(folder, tlsRing, now, make('second'));
      const both = [discardNext(folder, tlsRing), discardNext(folder, tlsRing)];
      const ends = [...both, finishForgetting(folder, tlsRing), forgetPast(folder, tlsRing, now)];
      await Promise.all(ends);
      expect((await Promise.all(both)).filter((taken) => taken)).toHaveLength(1);
      await finishForgetting(folder, tlsRing);
      expect(await readdir(join(folder, tlsRing.folder))).toEqual([]);
    }
    expect(await contents()).toEqual([undefined, 'first']);
  });

  test('is put in force itself, and no other that took its place, made to be in force as soon', async () => {
    const second = await addNext(folder, tlsRing, now, make('second'));
    await discardNext(folder, tlsRing);
    const third = await addNext(folder, tlsRing, now, make('third'));
    expect(await promote(folder, tlsRing, second, now)).toBe(false);
    expect(await contents()).toEqual(['third', 'first']);
    expect(await promote(folder, tlsRing, third, now)).toBe(true);
    expect(await promote(folder, tlsRing, third, now + 1)).toBe(false);
    expect(await contents()).toEqual([undefined, 'third', 'first']);
  });

  test.each([0, 1, 2])(
    'after a crash with %i of its files written is none, and can be made anew',
    async (files) => {
      const crashing = async (dir: string): Promise<void> => {
        if (files > 0) await writeFile(join(dir, 'tls.key'), 'half');
        if (files > 1) await writeFile(join(dir, 'tls.crt'), 'half');
        throw new Error('crash');
      };
      await expect(addNext(folder, tlsRing, now, crashing)).rejects.toThrow('crash');
      expect(await contents()).toEqual([undefined, 'first']);
      await addNext(folder, tlsRing, now, make('second'));
      expect(await readdir(join(folder, tlsRing.folder))).toEqual([
        expect.stringMatching(`^next-${now}-[0-9a-f]{16}$`),
      ]);
      expect(await contents()).toEqual(['second', 'first']);
    },
  );

  test('a removal that a crash cut short is no key that is kept', async () => {
    await addNext(folder, tlsRing, now, make('second'));
    await promoteNext(now);
    await rm(join(folder, 'tls.key'));
    expect(await contents()).toEqual([undefined, 'second']);
    expect(await forgetPast(folder, tlsRing, now + 10 * tlsRing.overlap)).toBe(0);
  });

  test('comes after the one in force, whatever the clock says', async () => {
    await addNext(folder, tlsRing, now, make('second'));
    await promoteNext(now);
    await addNext(folder, tlsRing, now, make('third'));
    await promoteNext(now); // within the second
    expect(await contents()).toEqual([undefined, 'third', 'second', 'first']);

    await addNext(folder, tlsRing, now, make('fourth'));
    const aMonthAhead = now + 30 * 86_400;
    await promoteNext(aMonthAhead);
    await addNext(folder, tlsRing, now, make('fifth'));
    await expect(promoteNext(now + 60)).rejects.toMatchObject({
      code: 'clock-behind',
      hint: expect.stringContaining(`since-${now + 60}`),
    });
    expect((await contents()).slice(0, 2)).toEqual(['fifth', 'fourth']);
    const { current } = await readRing(folder, tlsRing);
    await rename(current.dir, join(folder, tlsRing.folder, `since-${now + 60}`)); // as the hint says
    await promoteNext(now + 60);
    expect(await contents()).toEqual([undefined, 'fifth', 'fourth', 'third', 'second', 'first']);
  });

  test.each(['what init made', 'one that followed it'])(
    '%s is destroyed under a name that no key has',
    async (which) => {
      await addNext(folder, tlsRing, now, make('second'));
      await promoteNext(now);
      if (which !== 'what init made') {
        await forgetPast(folder, tlsRing, now + tlsRing.overlap);
        await addNext(folder, tlsRing, now, make('third'));
        await promoteNext(now + 1);
      }
      const [inForce, old] = (await contents()).slice(1);
      // Overwriting fails where the secret is a folder: what is left is what a crash at that step leaves.
      const dir = (await readRing(folder, tlsRing)).previous[0]?.dir ?? '';
      await rm(join(dir, 'tls.key'));
      await mkdir(join(dir, 'tls.key'));
      await expect(forgetPast(folder, tlsRing, now + 1 + tlsRing.overlap)).rejects.toMatchObject({
        code: 'EISDIR',
      });
      expect(await contents()).toEqual([undefined, inForce]);
      const [aside = ''] = (await readdir(join(folder, tlsRing.folder))).filter((name) =>
        name.startsWith('.'),
      );
      await rm(join(folder, tlsRing.folder, aside, 'tls.key'), { recursive: true });
      await writeFile(join(folder, tlsRing.folder, aside, 'tls.key'), `${old}, half overwritten`);
      await finishForgetting(folder, tlsRing);
      expect(await readdir(folder)).toEqual([tlsRing.folder]);
      expect(await readdir(join(folder, tlsRing.folder))).toHaveLength(1);
    },
  );

  test('one in force that is damaged hides behind none before it', async () => {
    await addNext(folder, tlsRing, now, make('second'));
    await promoteNext(now);
    const { current } = await readRing(folder, tlsRing);
    await rm(join(current.dir, 'tls.key'));
    expect((await readRing(folder, tlsRing)).current).toEqual(current);
  });
});

describe('a domain’s key', () => {
  const record = async (): Promise<DomainRecord> => {
    const zone = parseZone(await readFile(join(folder, 'b.test.zone'), 'utf8'), now);
    if (zone.kind !== 'record') throw new Error(zone.reason);
    return zone.record;
  };
  /** Fingerprints: of the key in force, of those before. */
  const held = async (): Promise<string[]> => {
    const { current, previous } = await readRing(folder, domainRing);
    const keys = await Promise.all([current, ...previous].map(({ dir }) => loadDomainKey(dir)));
    const loaded = await Promise.all(keys.map((key) => loadEnvelopeKey(key)));
    return loaded.map(({ privateKey }) => privateKey.getFingerprint());
  };

  test('is replaced, and the record names the new one; the one before stays for as long as anything is on its way', async () => {
    await createDomainKey(folder, 'b.test', now);
    const [first = ''] = await held();
    const values = { tls: 'prefer', mix: false, maxBytes: 1_000_000, expires: now + 1_000 } as const;
    const path = await renewRecord(folder, 'b.test', values);
    expect(await record()).toMatchObject({ ...values, fingerprint: first });
    expect(await rotateDomainKey(folder, 'b.test', now + 1)).toBe(path);
    const [second, ...rest] = await held();
    expect(rest).toEqual([first]);
    const { tls, mix, maxBytes } = values;
    expect(await record()).toMatchObject({ fingerprint: second, tls, mix, maxBytes });
    expect((await record()).expires).toBeGreaterThan(now + 86_400);
    expect(await forgetPast(folder, domainRing, now + domainRing.overlap)).toBe(0);
    expect(await forgetPast(folder, domainRing, now + 1 + domainRing.overlap)).toBe(1);
    expect(await held()).toEqual([second]);
  });

  test('is not replaced while the one in force is of a time to come, and the record stays', async () => {
    await createDomainKey(folder, 'b.test', now);
    await rotateDomainKey(folder, 'b.test', now + 9);
    const [second, first] = await held();
    await expect(rotateDomainKey(folder, 'b.test', now)).rejects.toMatchObject({ code: 'clock-behind' });
    expect(await held()).toEqual([second, first]);
    expect((await record()).fingerprint).toBe(second);
    expect((await readRing(folder, domainRing)).next).toBeUndefined();
  });

  test('a rotation that a crash cut short is gone on with, with the key that was made', async () => {
    await createDomainKey(folder, 'b.test', now);
    const [first] = await held();
    // Before the record was written: the state that only its last two steps are missing from.
    await rotateDomainKey(folder, 'b.test', now + 1);
    const [second] = await held();
    await rename(
      join(folder, domainRing.folder, `since-${now + 1}`),
      join(folder, domainRing.folder, `next-${now + 1}`),
    );
    expect(await held()).toEqual([first]);
    await rotateDomainKey(folder, 'b.test', now + 2);
    expect(await held()).toEqual([second, first]);
    expect((await record()).fingerprint).toBe(second);
  });

  test('a record that cannot be read is not replaced', async () => {
    await createDomainKey(folder, 'b.test', now);
    await writeFile(join(folder, 'b.test.zone'), 'nothing');
    await expect(renewRecord(folder, 'b.test', { expires: now + 9 })).rejects.toMatchObject({
      code: 'wrong-key-file',
    });
    await mkdir(join(folder, 'elsewhere'));
    await expect(
      renewRecord(join(folder, 'elsewhere'), 'b.test', { expires: now + 9 }),
    ).rejects.toMatchObject({
      code: 'missing-key-file',
    });
  });
});
