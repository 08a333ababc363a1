import type { RequestListener } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { documentOf, type Library, mirror, openLibrary } from '../testing/readers.ts';
import { text } from '../testing/servers.ts';
import { aheadOf, describeSkew } from './skew.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

/** Serves a document with the time of a clock. */
const at = (dateMs: number | undefined, document: string, age?: number): RequestListener => {
  const serve = mirror(document);
  return (request, response) => {
    response.sendDate = false;
    if (dateMs !== undefined) response.setHeader('date', new Date(dateMs).toUTCString());
    if (age !== undefined) response.setHeader('age', `${age}`);
    serve(request, response);
  };
};
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

describe('no clock is blamed', () => {
  test.each([
    ['by a minute', (epoch * hour) / 1_000 - 60, epoch],
    ['by more', (epoch * hour) / 1_000 - 61, undefined],
  ])('when it is behind the beginning of what is at hand %s', async (_, seconds, served) => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    await client.current();
    server.answer = text('', 500);
    library.clock.moveTo(seconds * 1_000);
    const outcome = await client.current().catch(({ code }) => code);
    expect(outcome).toEqual(
      served === undefined ? 'not-yet-valid' : expect.objectContaining({ digest: expect.any(String) }),
    );
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
