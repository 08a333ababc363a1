import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  castOf,
  createSnapshots,
  gatewayName,
  gatherFromNetwork,
  judge,
  type Knowledge,
  kinds,
  mayKnow,
  networkFolders,
  parties,
  publishedBy,
  secretsOf,
  startTestNetwork,
  surelyFound,
  type TestNetwork,
  takeAll,
  writeLetter,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** In one process, where the adversary also sees inside TLS and the clock stands still while packets wait. */
describe('one letter through a network in one process', () => {
  let net: TestNetwork;
  let knowledge: Knowledge;
  let hops: string[] = [];
  const waiting = new Set<string>();

  beforeAll(async () => {
    net = await startTestNetwork();
    const [author, recipient] = [net.person('alice@a.test'), net.person('bob@b.test')];
    const [alice, bob] = [net.client(author.mailbox), net.client(recipient.mailbox)];
    const date = new Date(net.clock.now());
    const letter = writeLetter({
      from: author.mailbox,
      to: [recipient.mailbox],
      date,
      attachmentBytes: 40_000,
    });
    await writeFile(join(author.home, 'letter.eml'), letter.message);
    const sent = await alice.send(letter.message);
    if (sent.kind !== 'sent') throw new Error(JSON.stringify(sent.problems));

    const snapshots = createSnapshots();
    await net.drain({
      async onRest() {
        await takeAll(snapshots, networkFolders(net));
        for (const { name, running } of net.nodes) {
          if (((await running?.status())?.counts.relays ?? 0) > 0) waiting.add(name);
        }
      },
    });
    const [delivered] = await net.delivered(recipient.mailbox);
    const opened = await bob.open(delivered?.bytes ?? Buffer.alloc(0));
    if (opened.kind !== 'opened' || !letter.message.equals(opened.message))
      throw new Error('it did not arrive');
    await writeFile(join(recipient.home, 'opened.eml'), opened.message);

    const paths = sent.recipients.flatMap((one) => one.paths);
    const cast = castOf({ author, recipient, paths, gatewayOf: gatewayName });
    hops = cast.hops.flat();
    const evidence = await gatherFromNetwork(net, cast, snapshots);
    const facts = await secretsOf(cast, letter.telltales, alice, (await alice.route()).consensus);
    const published = await publishedBy(net.authority.url, net.authorityTap.connections);
    knowledge = judge(evidence, facts, published);
  }, 180_000);
  afterAll(() => net[Symbol.asyncDispose]());

  const cell = (party: (typeof parties)[number], kind: (typeof kinds)[number]) =>
    knowledge.rows.find((row) => row.party === party)?.cells[kind];

  test.each(parties)('%s has nothing that it must not have', (party) => {
    const found = kinds.filter((kind) => cell(party, kind)?.found);
    expect(kinds.flatMap((kind) => (cell(party, kind)?.ok === true ? [] : [kind]))).toEqual([]);
    expect(found.filter((kind) => mayKnow(party, kind) === 'no')).toEqual([]);
  });

  test.each(surelyFound)('the search sees: %s has the %s', (party, kind) => {
    expect(cell(party, kind)?.found).toBe(true);
  });

  test('packets waited in every mix on the path while its folder was looked at', () => {
    expect(hops.filter((name) => !waiting.has(name))).toEqual([]);
    expect(hops.length).toBeGreaterThanOrEqual(3);
  });

  test('every party was searched', () => {
    for (const { party, bytes } of knowledge.rows) expect([party, bytes > 1_000]).toEqual([party, true]);
  });
});
