import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Cast,
  castOf,
  createJudge,
  createLookout,
  createSnapshots,
  gatewayName,
  gatherFromNetwork,
  hows,
  type Knowledge,
  kinds,
  mayKnow,
  networkFolders,
  type Part,
  type Piece,
  parties,
  publishedBy,
  secretsOf,
  startTestNetwork,
  type TestNetwork,
  takeAll,
  writeLetter,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** In one process, where the adversary also sees inside TLS and the clock stands still while packets wait. */
describe('P1 one letter through a network in one process', () => {
  let net: TestNetwork;
  let cast: Cast;
  let pieces: readonly Piece[];
  let judge: (pieces: readonly Piece[]) => Knowledge;
  let knowledge: Knowledge;

  beforeAll(async () => {
    const snapshots = createSnapshots();
    net = await startTestNetwork({
      // Too short for anybody to see a packet wait by luck.
      meanDelayMs: 1,
      hold: createLookout(snapshots, (name) => net?.nodes.find((node) => node.name === name)),
    });
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

    await net.drain({ onRest: () => takeAll(snapshots, networkFolders(net)) });
    const [delivered] = await net.delivered(recipient.mailbox);
    const opened = await bob.open(delivered?.bytes ?? Buffer.alloc(0));
    if (opened.kind !== 'opened' || !letter.message.equals(opened.message))
      throw new Error('it did not arrive');
    await writeFile(join(recipient.home, 'opened.eml'), opened.message);

    const paths = sent.recipients.flatMap((one) => one.paths);
    const nodes = net.nodes.map(({ name }) => name);
    const authorities = [net.authorityTap.name];
    cast = castOf({ author, recipient, paths, gatewayOf: gatewayName, nodes, authorities });
    ({ pieces } = await gatherFromNetwork(net, cast, snapshots));
    const facts = await secretsOf(cast, letter.telltales, alice, (await alice.route()).consensus);
    const published = await publishedBy(net.authority.url, net.authorityTap.connections);
    judge = createJudge({ cast, facts, published });
    knowledge = judge(pieces);
  }, 180_000);
  afterAll(() => net[Symbol.asyncDispose]());

  const cell = (party: (typeof parties)[number], kind: (typeof kinds)[number]) =>
    knowledge.rows.find((row) => row.party === party)?.cells[kind];

  test.each(parties)('%s has nothing that it must not have', (party) => {
    const found = kinds.filter((kind) => cell(party, kind)?.found);
    expect(kinds.flatMap((kind) => (cell(party, kind)?.ok === true ? [] : [kind]))).toEqual([]);
    expect(found.filter((kind) => mayKnow(party, kind) === 'no')).toEqual([]);
  });

  test('everything was gathered, and what is there for sure was found where it is', () => {
    expect(knowledge.missed).toEqual([]);
    expect(knowledge.ok).toBe(true);
  });

  test('packets were seen waiting in the folder of every hop', () => {
    expect([...knowledge.searched.waited].sort()).toEqual([...cast.hops.flat(), cast.gateway].sort());
    expect(cast.hops.flat().length).toBeGreaterThanOrEqual(3);
  });

  test('every hop’s messages were searched inside TLS', () => {
    const whole = pieces.filter(({ part }) => part === 'message');
    const takers = new Set(whole.filter(({ how }) => how === 'received').map(({ owner }) => owner));
    expect([...cast.hops.flat(), cast.gateway].filter((name) => !takers.has(name))).toEqual([]);
  });

  test.each(['at rest', 'log', 'metrics'] as const)(
    'it is not passed without what is of this kind: %s',
    (how) => {
      const { ok, missed, violations } = judge(pieces.filter((piece) => piece.how !== how));
      expect([ok, violations]).toEqual([false, []]);
      for (const name of cast.processes)
        expect(missed).toContain(`${cast.nodeParty(name)} ${name}: nothing (${how})`);
    },
  );

  test('with the folders as they are when nothing waits any more it is not passed', () => {
    const parts: readonly (Part | undefined)[] = ['spool', 'relays', 'fragments'];
    const { ok, missed } = judge(pieces.filter(({ part }) => !parts.includes(part)));
    expect(ok).toBe(false);
    for (const name of cast.hops.flat())
      expect(missed).toContain(`${cast.nodeParty(name)} ${name}: nothing (at rest; relays)`);
    expect(missed).toContain("recipient's gateway: recipient mailbox (at rest; fragments)");
  });

  test('with the wires, the homes and the gateways’ configuration alone it is not passed', () => {
    const few = pieces.filter(
      ({ how, party, where }) =>
        how === 'wire' ||
        how === 'received' ||
        party === 'author' ||
        party === 'recipient' ||
        where === 'node.toml',
    );
    const { ok, missed } = judge(few);
    expect(ok).toBe(false);
    for (const party of ['first mix', 'middle mix', 'last mix', "recipient's gateway"] as const)
      expect([party, missed.some((one) => one.startsWith(`${party}: `))]).toEqual([party, true]);
  });

  test.each(hows)('what must not stand there is seen beside everything else: %s', (how) => {
    const { mailbox } = cast.author;
    const leaks = [
      mailbox,
      Buffer.from(mailbox).toString('hex'),
      Buffer.from(`x${mailbox}`).toString('base64'),
    ];
    for (const leak of leaks) {
      const bytes = Buffer.from(`{"note":"${leak}"}`);
      const planted: Piece = { party: 'middle mix', owner: 'mix', how, where: 'planted', bytes };
      const { ok, violations } = judge([...pieces, planted]);
      expect([leak, ok]).toEqual([leak, false]);
      // The mailbox names its domain, too.
      expect(violations.map((one) => one.split(':').slice(0, 2).join())).toEqual([
        'middle mix, author mailbox',
        'middle mix, author domain',
      ]);
    }
  });
});
