import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { type Outage, signOutage } from '@postern/protocol/consensus';
import { testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { documentOf, type Library, mirror, openLibrary, others, ours } from '../testing/readers.ts';
import type { TestServer } from '../testing/servers.ts';

const epoch = 1_000;
const both = { authorities: [ours.vkey, others.vkey], threshold: 2 };
const id = (at: number): string => at.toString(16).padStart(64, '0');
const third = testAuthority('authority3.test', { now: 3_600_060 });

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

function notice(by: typeof ours, down: readonly number[], change: Partial<Outage> = {}): string {
  const at = Math.floor(library.clock.now() / 1_000);
  const outage: Outage = { version: 1, epoch, authority: by.name, at, down: down.map(id), ...change };
  return signOutage(outage, by);
}

/** Serves the consensus that both have signed, and whatever list of notices there is at the time. */
function serving(list: () => string | undefined): Promise<TestServer> {
  const rest = mirror(documentOf(epoch, {}, [ours, others]));
  const answer: RequestListener = (request, response) => {
    const text = request.url === '/v1/outages' ? list() : undefined;
    if (text === undefined) return rest(request, response);
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  };
  return library.serving(answer);
}

const listOf = (...notices: readonly string[]): string => JSON.stringify(notices);
const askedOf = ({ requests }: TestServer) => requests.filter(({ url }) => url === '/v1/outages');

async function outFor(urls: readonly string[], cache = 'cache'): Promise<readonly string[]> {
  const client = library.client(urls, { ...both, cacheDir: join(library.folder, cache) });
  return client.out(await client.current());
}

test('a mix is out when as many authorities as sign a consensus cannot reach it', async () => {
  const server = await serving(() =>
    listOf(notice(ours, [1, 2]), notice(others, [2, 3]), notice(third, [1])),
  );
  expect(await outFor([server.url])).toEqual([id(2)]);
});

test('A8 notices that were altered, are old, for another epoch, of a stranger, or none at all take nobody out', async () => {
  const alone = notice(ours, [1]);
  const lists = [
    listOf(alone),
    listOf(alone, alone, notice(ours, [1], { at: 3_600_000 })),
    listOf(alone, notice(others, [1]).replace(`"epoch":${epoch}`, `"epoch":${epoch + 1}`)),
    listOf(alone, notice(others, [1], { epoch: epoch - 1 })),
    listOf(alone, notice(others, [1], { at: 3_600_060 - 600 })),
    listOf(alone, notice(third, [1])),
    listOf(alone, notice({ ...others, ...third, name: others.name }, [1])),
    listOf(alone, 'x'),
    '{}',
    '[1]',
    'x',
    'x'.repeat(5_000_000),
  ];
  for (const [at, list] of lists.entries()) {
    const server = await serving(() => list);
    expect(await outFor([server.url], `cache ${at}`)).toEqual([]);
    expect(askedOf(server)).toHaveLength(1);
  }
  // the same way of asking finds what holds
  const server = await serving(() => listOf(alone, notice(others, [1])));
  expect(await outFor([server.url], 'cache')).toEqual([id(1)]);
});

describe('a reader', () => {
  const said = (): string => listOf(notice(ours, [1]), notice(others, [1]));

  test('asks every three minutes at most, in the same words, however often it starts', async () => {
    const server = await serving(said);
    for (let call = 0; call < 3; call++) expect(await outFor([server.url])).toEqual([id(1)]);
    const client = library.client([server.url], both);
    const current = await client.current();
    await Promise.all([client.out(current), client.out(current)]);
    expect(askedOf(server)).toHaveLength(1);
    library.clock.advance(180_000);
    await Promise.all([client.out(current), client.out(current)]);
    const [first, second, ...more] = askedOf(server);
    expect(more).toEqual([]);
    expect(second?.headers).toEqual(first?.headers);
    expect(first?.headers).not.toHaveProperty('if-none-match');
  });

  test('goes by what it has as long as that counts, when nobody answers; nobody is asked again at once', async () => {
    let list: string | undefined = said();
    const server = await serving(() => list);
    expect(await outFor([server.url])).toEqual([id(1)]);
    list = undefined;
    library.clock.advance(180_000);
    for (let call = 0; call < 2; call++) expect(await outFor([server.url])).toEqual([id(1)]);
    expect(askedOf(server)).toHaveLength(2);
    library.clock.advance(420_000);
    expect(await outFor([server.url])).toEqual([]);
  });

  test('asks one more place when the first keeps notices back', async () => {
    const servers = await Promise.all([said(), '[]', '[]'].map((list) => serving(() => list)));
    const [honest, liar, other] = servers.map(({ url }) => url) as [string, string, string];
    for (const cache of ['1', '2', '3', '4']) expect(await outFor([honest, liar], cache)).toEqual([id(1)]);
    expect(await outFor([liar, other], 'none')).toEqual([]);
    const alone = listOf(notice(ours, [1]));
    const parts = await Promise.all([alone, listOf(notice(others, [1]))].map((list) => serving(() => list)));
    expect(
      await outFor(
        parts.map(({ url }) => url),
        'parts',
      ),
    ).toEqual([id(1)]);
  });

  test('asks one more place, and no third', async () => {
    const servers = await Promise.all([undefined, undefined, undefined].map((none) => serving(() => none)));
    expect(await outFor(servers.map(({ url }) => url))).toEqual([]);
    expect(servers.flatMap(askedOf)).toHaveLength(2);
  });

  test('goes by an authority’s newest word, which an older one from elsewhere does not undo', async () => {
    const old = notice(others, [1]);
    library.clock.advance(60_000);
    let list = listOf(notice(ours, [1]), notice(others, []));
    const server = await serving(() => list);
    expect(await outFor([server.url])).toEqual([]);
    list = listOf(notice(ours, [1]), old);
    library.clock.advance(180_000);
    expect(await outFor([server.url])).toEqual([]);
  });

  test('fetches the certificate of a key that is new', async () => {
    const next = testAuthority(others.name, { now: 3_600_060, generation: 2 });
    const server = await serving(() => listOf(notice(ours, [1]), notice(next, [1])));
    server.certificates = [...server.certificates, next.certificate];
    expect(await outFor([server.url])).toEqual([id(1)]);
  });
});
