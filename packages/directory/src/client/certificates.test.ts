import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { maxCertificatesLength, signParameters, writeGeometry } from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { type TestAuthorityOptions, testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { epochSeconds, start } from '../testing/clock.ts';
import {
  askedOf,
  documentOf,
  epochOf,
  type Library,
  mirror,
  openLibrary,
  others,
  ours,
} from '../testing/readers.ts';
import { text } from '../testing/servers.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
const day = 86_400;
const now = start / 1_000;
const ourNext = (generation: number, change: TestAuthorityOptions['change'] = {}) =>
  testAuthority(ours.name, { now, generation, change });

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const kept = async (): Promise<string[]> =>
  JSON.parse(await readFile(join(library.folder, 'cache', 'certificates'), 'utf8')) as string[];

describe('certificates', () => {
  test('are asked for once, and again for a key that is new', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    expect(await epochOf(client)).toBe(epoch);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = mirror(documentOf(epoch + 1));
    expect(await epochOf(client)).toBe(epoch + 1);
    expect(server.certificatesAsked).toBe(1);
    expect(await kept()).toEqual([ours.certificate]);

    const next = ourNext(2);
    library.clock.moveTo((epoch + 2) * hour);
    server.answer = mirror(documentOf(epoch + 2, {}, [next]));
    server.certificates = [ours.certificate, next.certificate];
    expect(await epochOf(client)).toBe(epoch + 2);
    expect(server.certificatesAsked).toBe(2);
    expect((await kept()).sort()).toEqual([ours.certificate, next.certificate].sort());
  });

  test('are there in the next run, and after they were lost', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    await library.client([server.url]).current();
    expect(await epochOf(library.client([server.url]))).toBe(epoch);
    expect([askedOf(server), server.certificatesAsked]).toEqual([1, 1]);
    for (const harm of [
      rm,
      (path: string) => writeFile(path, 'no JSON'),
      (path: string) => writeFile(path, '["x"]'),
    ]) {
      await harm(join(library.folder, 'cache', 'certificates'));
      expect(await epochOf(library.client([server.url]))).toBe(epoch);
      expect(await kept()).toEqual([ours.certificate]);
    }
  });

  test('that another process has stored are used', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const [one, two] = [library.client([server.url]), library.client([server.url])];
    await Promise.all([one.current(), two.current()]);
    const next = ourNext(2);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = mirror(documentOf(epoch + 1, {}, [next]));
    server.certificates = [next.certificate];
    expect(await epochOf(one)).toBe(epoch + 1);
    const asked = server.certificatesAsked;
    expect(await epochOf(two)).toBe(epoch + 1);
    expect(server.certificatesAsked).toBe(asked);
  });

  test('are not asked for because of strangers’ signatures', async () => {
    const stranger = testAuthority('x.test', { now });
    const server = await library.serving(mirror(documentOf(epoch, {}, [stranger])));
    await expect(library.client([server.url]).current()).rejects.toMatchObject({
      code: 'too-few-signatures',
    });
    expect(server.certificatesAsked).toBe(0);
  });

  test('of others than the reader’s authorities are not kept', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    server.certificates = [
      testAuthority('x.test', { now }).certificate,
      others.certificate,
      ours.certificate,
    ];
    await library.client([server.url]).current();
    expect(await kept()).toEqual([ours.certificate]);
  });

  test('of one authority are kept up to eight, and not for ever', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const many = Array.from({ length: 12 }, (_, at) => ourNext(at + 2, { validUntil: now + (at + 1) * day }));
    const ended = ourNext(20, { validUntil: now - 31 * day });
    server.certificates = [ended, ...many, ours].map(({ certificate }) => certificate);
    await library.client([server.url]).current();
    const last = [ours, ...many.slice(5).reverse()].map(({ certificate }) => certificate);
    expect(await kept()).toEqual(last);
  });

  test('are looked for no further in a list of which many do not hold', async () => {
    const { validUntil } = ours.signingKey;
    const altered = Array.from({ length: 16 }, (_, at) =>
      ours.certificate.replace(`${validUntil}`, `${validUntil + at + 1}`),
    );
    const server = await library.serving(mirror(documentOf(epoch)));
    server.certificates = [...altered, ours.certificate];
    await expect(library.client([server.url]).current()).rejects.toMatchObject({
      code: 'too-few-signatures',
    });
    server.certificates = [...altered.slice(1), ours.certificate];
    expect(await epochOf(library.client([server.url]))).toBe(epoch);
  });

  test('are needed for parameters as well', async () => {
    const parameters = {
      version: 1,
      epochSeconds,
      meanDelayMs: 5,
      geometry: writeGeometry(defaultGeometry),
    } as const;
    const server = await library.serving(text(signParameters(parameters, [ours])));
    const client = library.client([server.url]);
    expect(await client.parameters()).toMatchObject({ meanDelayMs: 5 });
    expect(await client.parameters()).toMatchObject({ meanDelayMs: 5 });
    expect(server.certificatesAsked).toBe(1);
    library.clock.moveTo(ours.signingKey.validUntil * 1_000);
    await expect(client.parameters()).rejects.toMatchObject({
      code: 'too-few-signatures',
      message: expect.stringMatching(/the key of authority1\.test is for documents from .* until /),
    });
  });
});

describe('a consensus whose keys are not known says what is wrong with', () => {
  const impostor = testAuthority(ours.name, { now, seed: 'impostor' });
  const unknown = 'there is no certificate for the key that authority1.test has signed with';
  const past = ourNext(3, { validUntil: epoch * epochSeconds });
  const cases: [string, string, readonly string[] | string][] = [
    ['certificates that are not there', `${unknown}$`, []],
    [
      'a certificate of another identity key',
      `${unknown}; a certificate there does not hold: the identity key in it is not that of authority1.test`,
      [impostor.certificate],
    ],
    [
      'a certificate that was altered',
      `${unknown}; a certificate there does not hold: it is not signed by the identity key`,
      [past.certificate.replace(`${past.signingKey.validUntil}`, `${now + 9}`)],
    ],
    ['a list that is none', `${unknown}; what it has for certificates is no list of them`, '{}'],
    ['a list of other things', `${unknown}; what it has for certificates is no list of them`, '[1]'],
    ['what is no JSON', `${unknown}; what it has for certificates is no list of them`, 'x'],
    [
      'a list without end',
      `${unknown}; its list of certificates is too long`,
      'x'.repeat(maxCertificatesLength + 1),
    ],
    [
      'a certificate of another time',
      'the key of authority1.test is for documents from .* until 1970-02-11T16:00:00.000Z, and this one is of 1970-02-11T16:00:00.000Z$',
      [past.certificate],
    ],
  ];
  test.each(cases)('%s', async (_, message, certificates) => {
    const server = await library.serving(mirror(documentOf(epoch, {}, [past])));
    if (typeof certificates === 'string') server.certificatesText = certificates;
    else server.certificates = certificates;
    await expect(library.client([server.url]).current()).rejects.toMatchObject({
      code: 'too-few-signatures',
      message: expect.stringMatching(
        new RegExp(`signed by 0 of the authorities known here, 1 needed; ${message}`),
      ),
    });
    expect(server.certificatesAsked).toBe(1);
  });

  test('one URL that keeps them back does not stop the next', async () => {
    const silent = await library.serving(mirror(documentOf(epoch)));
    silent.certificates = [];
    const good = await library.serving(mirror(documentOf(epoch)));
    for (let round = 0; round < 4; round++) {
      const client = library.client([silent.url, good.url], {
        cacheDir: join(library.folder, `cache ${round}`),
      });
      expect(await epochOf(client)).toBe(epoch);
    }
  });
});
