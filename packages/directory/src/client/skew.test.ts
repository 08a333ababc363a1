import { mkdtemp } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { mix, seeded } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { documentOf, epochOf, type Library, mirror, openLibrary, others, ours } from '../testing/readers.ts';
import { type TestServer, text } from '../testing/servers.ts';
import { aheadOf, describeSkew } from './skew.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

/** Serves with the time of a clock. */
const dated =
  (dateMs: number | undefined, serve: RequestListener, age?: number): RequestListener =>
  (request, response) => {
    if (dateMs !== undefined) response.setHeader('date', new Date(dateMs).toUTCString());
    if (age !== undefined) response.setHeader('age', `${age}`);
    serve(request, response);
  };
const at = (dateMs: number | undefined, document: string, age?: number): RequestListener =>
  dated(dateMs, mirror(document), age);
const urlsOf = (...answers: RequestListener[]): Promise<string[]> =>
  Promise.all(answers.map(async (answer) => (await library.serving(answer)).url));

describe('a clock that is wrong is named', () => {
  const behind = 2 * hour + 180_000;
  test('when it is behind, by how much, and nothing is used', async () => {
    const urls = await urlsOf(
      at(start + behind, documentOf(epoch + 2)),
      at(start + behind + 9_000, documentOf(epoch + 2)),
      at(undefined, documentOf(epoch + 2)),
    );
    const failing = library.client(urls).current();
    await expect(failing).rejects.toMatchObject({
      code: 'clock',
      message: expect.stringMatching(/: the clock here is 2 h 3 min behind those of most directories/),
      hint: expect.stringContaining('Set this machine’s clock'),
    });
  });

  test('when it is ahead', async () => {
    const urls = await urlsOf(at(start - 4 * hour, documentOf(epoch - 4)), at(start - 4 * hour, 'x'));
    await expect(library.client(urls).current()).rejects.toMatchObject({
      code: 'clock',
      message: expect.stringMatching(/the clock here is 4 h ahead/),
    });
  });

  test('when no directory tells the time, and authorities have signed what lies too far ahead', async () => {
    const urls = await urlsOf(at(undefined, documentOf(epoch + 30)));
    await expect(library.client(urls).current()).rejects.toMatchObject({
      code: 'clock',
      message: expect.stringMatching(/the clock here is at least 1 d 4 h behind: authorities have signed/),
    });
  });

  test('when a cache has kept the answer for a while', async () => {
    const urls = await urlsOf(at(start + behind - 600_000, documentOf(epoch + 2), 600));
    await expect(library.client(urls).current()).rejects.toThrow('2 h 3 min behind');
  });

  test.each<[string, RequestListener]>([
    ['what a directory has', mirror(documentOf(epoch))],
    ['what is at hand, with no directory in reach', text('', 500)],
  ])('when it is set back while a reader runs, by %s; until it is right again', async (_, answer) => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    const { digest } = await client.renew();
    server.answer = answer;
    library.clock.moveTo(start - 24 * hour);
    for (const use of [() => client.current(), () => client.renew(), () => client.refresh()])
      await expect(use()).rejects.toMatchObject({
        code: 'clock',
        message: expect.stringMatching(/the clock here is at least 22 h 59 min behind/),
      });
    expect(client.renewAt()).toBeLessThanOrEqual(library.clock.now());
    library.clock.moveTo(start);
    expect([(await client.current()).digest, (await client.renew()).digest]).toEqual([digest, digest]);
    server.answer = text('down', 500);
    library.clock.moveTo(start + 24 * hour);
    await expect(client.current()).rejects.not.toThrow('none was given since');
  });

  test('when what is at hand has ended by it, and holds by that of most directories', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    await client.current();
    library.clock.moveTo(start + 24 * hour);
    server.answer = at(start, 'x');
    await expect(client.current()).rejects.toMatchObject({
      code: 'clock',
      message: expect.stringMatching(/the clock here is 1 d ahead/),
    });
  });

  test('in the log, while what is at hand is good still', async () => {
    const { log, lines } = keepingLog();
    const urls = await urlsOf(at(start + 120_000, documentOf(epoch)));
    await library.client(urls, { log }).current();
    expect(lines).toContainEqual(
      expect.objectContaining({ event: 'the clock here is off', fields: { is: '2 min behind' } }),
    );
  });
});

describe('a clock that is off while all goes well', () => {
  const two = { authorities: [ours.vkey, others.vkey], threshold: 2 };
  const far = 1_200_000;
  const warning = { level: 'warn', event: 'the clock here is off', fields: { is: '20 min behind' } };
  const timesAsked = (servers: readonly TestServer[]): number =>
    servers.flatMap(({ requests }) => requests).filter(({ url }) => url === '/v1/parameters').length;

  /** How far it is ahead, milliseconds; or it says no time; or nothing once it is asked for the time alone. */
  type Clock = number | undefined | 'silent';

  /** Has a reader renew, and the next consensus fetched ahead; by each URL's clock as many milliseconds later, and by mirrors' as given. */
  const run = async (
    urls: readonly Clock[],
    mirrors: readonly number[] = [],
    seed = 'clocks',
  ): Promise<{ warned: number; asked: number }> => {
    library.clock.moveTo(start);
    const chain = createChain([ours, others]);
    const serving = (ms: Clock): Promise<TestServer> =>
      library.serving((request, response) => {
        if (ms === 'silent' && request.url === '/v1/parameters') return;
        const time = typeof ms === 'number' ? library.clock.now() + ms : undefined;
        dated(time, chain.serve())(request, response);
      });
    const directories = await Promise.all(urls.map(serving));
    const mirroring = await Promise.all(mirrors.map(serving));
    const nodes = mirroring.map(({ url }, one) => mix(`mix${one}.test`, { mirror: url }));
    chain.issue(epoch, {}, nodes);
    const { log, lines } = keepingLog();
    const client = library.client(
      directories.map(({ url }) => url),
      {
        ...two,
        log,
        random: seeded(seed),
        cacheDir: await mkdtemp(join(library.folder, 'cache')),
        ...(urls.includes('silent') && { timeoutMs: 500 }),
      },
    );
    await client.renew();
    lines.length = 0;
    for (const { requests } of directories) requests.length = 0;
    chain.issue(epoch + 1, {}, nodes);
    // clocks are told in whole seconds
    library.clock.moveTo(Math.ceil(client.renewAt() / 1_000) * 1_000);
    await client.renew();
    expect(client.renewAt()).toBe((epoch + 1) * hour);
    for (const line of lines) expect(line).toEqual(warning);
    return { warned: lines.length, asked: timesAsked(directories) };
  };

  test('is noticed as the next consensus is fetched: more of the directories are asked for their time', async () => {
    expect(await run([far, far, far])).toEqual({ warned: 1, asked: 1 });
    expect(await run([far, far, far, far, far])).toEqual({ warned: 1, asked: 2 });
  });

  test('is noticed by a mirror’s answer, and told by the directories', async () => {
    expect(await run([far, far, far], [far])).toEqual({ warned: 1, asked: 2 });
    expect(await run([far], [far])).toEqual({ warned: 1, asked: 1 });
  });

  test('is none where too few say so, whoever they are', async () => {
    expect(await run([0, 0, 0], [far])).toEqual({ warned: 0, asked: 2 });
    expect(await run([undefined, undefined, undefined], [far])).toEqual({ warned: 0, asked: 3 });
    const rounds: number[] = [];
    for (let round = 0; round < 6; round++) {
      const { warned, asked } = await run([far, 0, 0], [], `round ${round}`);
      expect(warned).toBe(0);
      rounds.push(asked);
    }
    // in some the one that is wrong was asked first
    expect([...new Set(rounds)].sort()).toEqual([0, 2]);
  });

  test('is not waited for once for each that does not answer', async () => {
    const { warned, asked } = await run(['silent', 'silent', 'silent', 'silent'], [far]);
    expect(warned).toBe(0);
    expect(asked).toBeLessThan(3);
  });

  test('is asked about no further while all is well', async () => {
    expect(await run([0, 9_000, -9_000], [0])).toEqual({ warned: 0, asked: 0 });
  });

  test('is noticed by who fetches the one of now, too', async () => {
    const { log, lines } = keepingLog();
    const servers = await Promise.all(
      [far, far, far].map((ms) => library.serving(at(start + ms, documentOf(epoch)))),
    );
    const urls = servers.map(({ url }) => url);
    await library.client(urls, { log }).current();
    expect(lines).toEqual([warning]);
    expect(timesAsked(servers)).toBe(1);
  });
});

describe('no clock is blamed', () => {
  test.each<[string, number, number | string]>([
    ['by a minute', 60, epoch],
    ['by more', 61, 'not-yet-valid'],
  ])('when it is behind the beginning of what is at hand %s', async (_, seconds, outcome) => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    await client.current();
    server.answer = text('', 500);
    library.clock.moveTo(epoch * hour - seconds * 1_000);
    expect(await epochOf(client).catch(({ code }) => code)).toBe(outcome);
  });

  test.each<[string, string, readonly (number | undefined)[]]>([
    ['by fewer than most URLs: what is served is old', 'stale', [start - 4 * hour, start, undefined]],
    ['by half of them', 'stale', [start - 4 * hour, undefined]],
    ['by URLs that do not agree', 'stale', [start - 4 * hour, start - 3 * hour, start - 9 * hour]],
    ['where all have the same time', 'stale', [start, start, start + 30_000]],
    ['where the consensus would not hold by their time either', 'stale', [start + 9 * hour]],
  ])('%s', async (_, code, dates) => {
    const urls = await urlsOf(...dates.map((date) => at(date, documentOf(epoch - 4))));
    await expect(library.client(urls).current()).rejects.toMatchObject({ code });
  });

  test('for the next consensus, which one URL has too early', async () => {
    const urls = await urlsOf(at(undefined, documentOf(epoch + 1)));
    await expect(library.client(urls).current()).rejects.toMatchObject({ code: 'not-yet-valid' });
  });
});

describe('the middle', () => {
  const readings = (...ahead: number[]): { url: string; aheadMs: number }[] =>
    ahead.map((aheadMs, one) => ({ url: `${one}`, aheadMs }));
  test.each<[number[], number, number | undefined]>([
    [[], 1, undefined],
    [[5], 1, 5],
    [[5], 2, undefined],
    [[5, 9], 3, 5],
    [[5, 9, 900_000], 3, 9],
    [[5, 900_000], 2, undefined],
    [[-900_000, 5, 9, 900_000], 4, undefined],
    [[1, 5, 9, 900_000], 4, 5],
  ])('of %j of %i URLs is %s', (ahead, urls, middle) => {
    expect(aheadOf(readings(...ahead), urls)).toBe(middle);
  });

  test('counts each URL once', () => {
    expect(aheadOf([...readings(7), ...readings(8)], 2)).toBeUndefined();
  });

  test.each([
    [7_380_000, '2 h 3 min behind'],
    [-61_000, '1 min 1 s ahead'],
    [-86_400_000 * 3, '3 d ahead'],
    [86_400_000 + 61_000, '1 d behind'],
    [999, '1 s behind'],
  ])('%i ms are told as %s', (ms, text) => {
    expect(describeSkew(ms)).toBe(text);
  });
});
