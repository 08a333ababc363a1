import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultGeometry } from '@postern/protocol/packet';
import { seeded } from '@postern/protocol/testing';
import { silentLog, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startAuthority } from '../authority.ts';
import { configFor } from '../testing/authorities.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { signedNode } from '../testing/nodes.ts';
import { askedOf, documentOf, epochOf, type Library, mirror, openLibrary } from '../testing/readers.ts';
import { deadUrl, text } from '../testing/servers.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

describe('with an authority', () => {
  test('publishes, and fetches what comes of it', async () => {
    const config = configFor(join(library.folder, 'authority'), { bootstrap: { nodes: 3 } });
    const authority = await startAuthority(config, {
      clock: library.clock,
      random: systemRandom,
      log: silentLog,
    });
    library.add(authority);
    const client = library.client([`${authority.url}/`], { authorities: [authority.vkey] });

    await expect(client.current()).rejects.toMatchObject({ code: 'no-consensus', exitCode: 75 });
    expect(await client.parameters()).toEqual({ epochSeconds, meanDelayMs: 200, geometry: defaultGeometry });
    await client.publish(signedNode('mix1.test', start));
    await client.publish(signedNode('mix2.test', start));
    expect(await client.publish(signedNode('mix3.test', start))).toEqual({
      accepted: [authority.url],
      failed: [],
    });

    const { consensus, geometry, digest } = await client.current();
    expect(consensus.nodes.map(({ name }) => name).sort()).toEqual(['mix1.test', 'mix2.test', 'mix3.test']);
    expect(geometry).toEqual(defaultGeometry);
    expect(digest).toBe(authority.status().consensus?.digest);
    await expect(client.publish(signedNode('mix1.test', start, {}, 'another key'))).rejects.toMatchObject({
      code: 'not-published',
      untaken: [expect.objectContaining({ refusal: 'name-taken' })],
      message: expect.stringContaining('answered 409 (the name mix1.test belongs to another node)'),
    });
  });
});

describe('current', () => {
  test('fetches once while the consensus is fresh, and at once when it no longer is', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    expect([await epochOf(client), await epochOf(client)]).toEqual([epoch, epoch]);
    expect(askedOf(server)).toBe(1);
    library.clock.moveTo((epoch + 1) * hour - 1);
    expect(await epochOf(client)).toBe(epoch);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = mirror(documentOf(epoch + 1));
    expect(await epochOf(client)).toBe(epoch + 1);
    expect(askedOf(server)).toBe(2);
  });

  test('fetches once for many that ask together', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.current()));
    expect(new Set(answers.map(({ digest }) => digest)).size).toBe(1);
    expect(askedOf(server)).toBe(1);
  });

  test('uses the disk while it is fresh, without asking', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    expect(client.newest()).toBeUndefined();
    await client.current();
    expect(client.newest()).toBe(epoch);
    expect(await epochOf(library.client([await deadUrl()]))).toBe(epoch);
    expect((await readdir(join(library.folder, 'cache'))).sort()).toEqual([
      'certificates',
      'consensus',
      'lock',
      'seen',
    ]);
    expect(await readFile(join(library.folder, 'cache', 'consensus'), 'utf8')).toBe(documentOf(epoch));
  });

  test('falls back on the valid one in an outage, asks again after a while, and fails when it has expired', async () => {
    const { log, lines } = keepingLog();
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url], { log });
    await client.current();
    server.answer = text('down', 500);
    library.clock.moveTo((epoch + 1) * hour);
    expect([await epochOf(client), await epochOf(client)]).toEqual([epoch, epoch]);
    expect(askedOf(server)).toBe(2);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', event: 'consensus not renewed' }));
    library.clock.advance(30_000);
    expect(await epochOf(client)).toBe(epoch);
    expect(askedOf(server)).toBe(3);
    library.clock.moveTo((epoch + 3) * hour - 1);
    expect(await epochOf(client)).toBe(epoch);
    library.clock.moveTo((epoch + 3) * hour);
    await expect(client.current()).rejects.toMatchObject({
      code: 'stale',
      message: expect.stringMatching(/answered 500.*it was valid until 1970-02-11T19:00:00.000Z/),
      hint: expect.stringContaining('clock'),
    });
    expect(client.newest()).toBe(epoch);
    server.answer = mirror(documentOf(epoch + 3));
    expect(await epochOf(client)).toBe(epoch + 3);
  });

  test('does not ask without end for what is still the newest', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    library.clock.moveTo((epoch + 1) * hour);
    expect([await epochOf(client), await epochOf(client), await epochOf(client)]).toEqual([
      epoch,
      epoch,
      epoch,
    ]);
    expect(askedOf(server)).toBe(1);
  });

  test('asks again in time though a clock that was far ahead has found none', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    await client.current();
    library.clock.moveTo((epoch + 1.6) * hour);
    expect(await epochOf(client)).toBe(epoch);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = mirror(documentOf(epoch + 1));
    expect(await epochOf(client)).toBe(epoch + 1);
  });

  test('takes over what another process has fetched, and says no more since when there is none', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const dead = await library.serving(text('down', 500));
    const client = library.client([dead.url]);
    await expect(client.current()).rejects.toMatchObject({ code: 'unreachable' });
    library.clock.advance(1_000);
    await expect(client.current()).rejects.toThrow('none was given since 1970-02-11T16:01:00.000Z');
    await library.client([server.url]).current();
    expect(await epochOf(client)).toBe(epoch);
    library.clock.advance(1_000);
    await expect(client.refresh()).rejects.not.toThrow('since');
    library.clock.advance(1_000);
    await expect(client.refresh()).rejects.toThrow('none was given since 1970-02-11T16:01:02.000Z');
  });

  test('takes over what another process has fetched', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const one = library.client([server.url]);
    const two = library.client([server.url]);
    expect([await epochOf(one), await epochOf(two)]).toEqual([epoch, epoch]);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = mirror(documentOf(epoch + 1));
    expect([await epochOf(one), await epochOf(two)]).toEqual([epoch + 1, epoch + 1]);
    expect(askedOf(server)).toBe(2);
  });
});

describe('refresh', () => {
  test('asks though the consensus is fresh, and throws though one is at hand', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    await client.current();
    await client.refresh();
    expect(askedOf(server)).toBe(2);
    server.answer = text('down', 500);
    await expect(client.refresh()).rejects.toMatchObject({ code: 'unreachable' });
    expect(await epochOf(client)).toBe(epoch);
  });
});

describe('several URLs', () => {
  test('one dead, one with an old document, one with garbage: the good one is found, in whatever order', async () => {
    const good = await library.serving(mirror(documentOf(epoch)));
    const old = await library.serving(mirror(documentOf(epoch - 5)));
    const garbage = await library.serving(text('garbage'));
    const urls = [await deadUrl(), old.url, garbage.url, good.url];
    for (let round = 0; round < 8; round++) {
      const client = library.client(urls, {
        cacheDir: join(library.folder, `cache ${round}`),
        random: seeded(`round ${round}`),
      });
      expect(await epochOf(client)).toBe(epoch);
    }
    // orders differ, so that some rounds met the others first
    expect(old.requests.length).toBeGreaterThan(0);
    expect(garbage.requests.length).toBeGreaterThan(0);
    expect(askedOf(old) + askedOf(garbage)).toBeLessThan(16);
  });

  test('a valid one that is no longer fresh is taken only when nobody has a fresh one', async () => {
    const late = await library.serving(mirror(documentOf(epoch - 1)));
    const good = await library.serving(mirror(documentOf(epoch)));
    for (let round = 0; round < 6; round++) {
      const options = { cacheDir: join(library.folder, `cache ${round}`), random: seeded(`round ${round}`) };
      expect(await epochOf(library.client([late.url, good.url], options))).toBe(epoch);
    }
    expect(late.requests.length).toBeGreaterThan(0);
    expect(await epochOf(library.client([late.url, await deadUrl()]))).toBe(epoch - 1);
  });

  test('when all fail, the error tells of each and is coded by the most telling', async () => {
    const old = await library.serving(mirror(documentOf(epoch - 5)));
    const garbage = await library.serving(text('garbage'));
    const dead = await deadUrl();
    const failing = library.client([dead, old.url, garbage.url]).current();
    await expect(failing).rejects.toMatchObject({ code: 'stale' });
    await expect(failing).rejects.toThrow(`${dead}: unreachable (ECONNREFUSED)`);
    await expect(failing).rejects.toThrow(`${garbage.url}: it is no signed note`);
    await expect(failing).rejects.toThrow(`${old.url}: it was valid until`);
  });
});
