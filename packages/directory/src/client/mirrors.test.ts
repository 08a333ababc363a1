import { signOutage } from '@postern/protocol/consensus';
import { mix, seeded } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds } from '../testing/clock.ts';
import { askedOf, epochOf, type Library, openLibrary, others, ours } from '../testing/readers.ts';
import { type TestServer, text } from '../testing/servers.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
const two = { authorities: [ours.vkey, others.vkey], threshold: 2 };

/** Two mixes of which each has a mirror, and a directory. */
let library: Library;
let chain: Chain;
let directory: TestServer;
let mirrors: readonly TestServer[];
beforeEach(async () => {
  library = await openLibrary();
  chain = createChain([ours, others]);
  directory = await library.serving(chain.serve());
  mirrors = [await library.serving(chain.serve()), await library.serving(chain.serve())];
  issue(epoch);
});
afterEach(() => library[Symbol.asyncDispose]());

const issue = (at: number, of: Chain = chain, change: object = {}): string =>
  of.issue(
    at,
    change,
    [1, 2, 3].map((one) => mix(`mix${one}.test`, { mirror: mirrors[one - 1]?.url ?? '' })),
  );
const answering = (...answers: TestServer['answer'][]): void => {
  for (const [at, mirror] of mirrors.entries()) mirror.answer = answers[at] ?? text('', 500);
};

describe('mirrors that the consensus names', () => {
  test('are asked in place of the directory, and before an epoch too', async () => {
    const client = library.client([directory.url], two);
    await client.renew();
    const before = directory.requests.length;
    issue(epoch + 1);
    library.clock.moveTo(client.renewAt());
    await client.renew();
    library.clock.moveTo((epoch + 1) * hour);
    expect((await client.renew()).consensus.epoch).toBe(epoch + 1);
    expect(directory.requests.length).toBe(before);
    expect(mirrors.flatMap(({ requests }) => requests).length).toBe(1);
    await client.refresh();
    expect(directory.requests.length).toBe(before);
  });

  test('are asked for outages, one of them, and the directory only when that keeps notices back', async () => {
    const out = 'a'.repeat(64);
    const notices = [ours, others].map((by) =>
      signOutage({ version: 1, epoch, authority: by.name, at: epoch * epochSeconds, down: [out] }, by),
    );
    const answered = (list: readonly string[]): TestServer['answer'] => text(JSON.stringify(list));
    const asked = ({ requests }: TestServer): number =>
      requests.filter(({ url }) => url === '/v1/outages').length;
    const client = library.client([directory.url], two);
    const consensus = await client.current();
    answering(answered(notices), answered(notices));
    expect(await client.out(consensus)).toEqual([out]);
    expect([mirrors.map(asked).sort(), asked(directory)]).toEqual([[0, 1], 0]);
    library.clock.advance(180_000);
    answering(answered([]), answered([]));
    directory.answer = answered(notices);
    expect(await client.out(consensus)).toEqual([out]);
    expect([mirrors.map(asked).reduce((sum, one) => sum + one), asked(directory)]).toEqual([2, 1]);
  });

  test.each<[string, TestServer['answer'][]]>([
    ['do not answer', []],
    ['answer what is no consensus', [text('x'), text('')]],
    ['are behind', [(request, response) => chain.serve(chain.documents.get(epoch))(request, response)]],
  ])('are passed over when they %s', async (_, answers) => {
    const client = library.client([directory.url], two);
    await client.current();
    answering(...answers);
    issue(epoch + 1);
    library.clock.moveTo((epoch + 1) * hour);
    expect(await epochOf(client)).toBe(epoch + 1);
    expect(askedOf(directory)).toBeGreaterThan(1);
  });

  test('are not spoken of when nobody answers', async () => {
    const client = library.client([directory.url], { ...two, random: seeded('mirrors') });
    await client.current();
    answering(text('x'), text('x'));
    directory.answer = text('', 500);
    const failing = client.refresh();
    await expect(failing).rejects.toMatchObject({ code: 'unreachable' });
    for (const { url } of mirrors) await expect(failing).rejects.not.toThrow(url);
  });

  test('that show another document for an epoch prove it', async () => {
    const client = library.client([directory.url], two);
    await client.current();
    const other = createChain([ours, others]);
    issue(epoch, other, { meanDelayMs: 7 });
    answering(other.serve(), other.serve());
    await expect(client.refresh()).rejects.toMatchObject({ code: 'fork' });
    await expect(client.current()).rejects.toThrow('the proof lies in');
  });

  test('are left alone by those who say so', async () => {
    const client = library.client([directory.url], { ...two, mirrors: false });
    await client.current();
    issue(epoch + 1);
    library.clock.moveTo((epoch + 1) * hour);
    expect(await epochOf(client)).toBe(epoch + 1);
    expect(mirrors.flatMap(({ requests }) => requests)).toEqual([]);
  });
});
