import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Cast,
  chainCast,
  chainTable,
  createJudge,
  createSearcher,
  type Fact,
  type Knowledge,
  kinds,
  type Piece,
  publishedBy,
  secretsOf,
  textFact,
  type Way,
  writeLetter,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, until } from '../debian.ts';
import { haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { authorsAddress, haveDomains } from './domains.ts';
import {
  authorityName,
  journalsCut,
  mixNames,
  nameServer,
  resolverNames,
  serversOf,
  startWatchedDomains,
  type WatchedDomains,
} from './watched.ts';

const ways: readonly Way[] = (['direct', 'mix'] as const).flatMap((mode) =>
  (['delivered', 'reported'] as const).map((end) => ({ mode, end })),
);

/** One letter between domains that nobody has written to before, and everything that anybody has of it. */
describe.skipIf(!haveDomains || !haveGnuPg).each(ways)('$mode, $end', (way) => {
  const stack = new AsyncDisposableStack();
  const { parties, mayKnow } = chainTable(way);
  let watched: WatchedDomains;
  let cast: Cast;
  let facts: readonly Fact[];
  let pieces: readonly Piece[];
  let judge: (pieces: readonly Piece[]) => Knowledge;
  let knowledge: Knowledge;

  beforeAll(async () => {
    const gpg = stack.use(startGnuPg());
    watched = stack.use(await startWatchedDomains());
    const { domains } = watched;
    const { alice, a, b, folder } = domains;
    // Who is not there has a name that nobody else has either.
    const recipient = personOf(way.end === 'delivered' ? 'bob' : 'zacharias', 'b.test');
    const author = personOf('alice', 'a.test');
    const key = gpg.makeKey(`${recipient.local} <${recipient.mailbox}>`);
    await alice.keys.import(gpg.run(['--export', key]).stdout);
    const letter = writeLetter({
      from: author.mailbox,
      to: [recipient.mailbox],
      date: new Date(),
      attachmentBytes: 60_000,
    });
    await writeFile(join(folder, 'alice', 'letter.eml'), letter.message);

    const nowhere = { host: '127.0.0.1', port: await freePort('127.0.0.1') };
    const closed = { ...nowhere, pin: a.gateway.at.pin };
    const exchanger = { host: '127.0.0.22', port: 25 };
    if (way.mode === 'direct') {
      await a.host.postfix.route({ gateway: closed, routes: { 'b.test': nowhere } });
      await b.host.postfix.route({ gateway: closed });
    }
    const sent = await alice.send(letter.message, { mode: way.mode });
    if (sent.kind !== 'sent' || sent.pending > 0) throw new Error(JSON.stringify(sent));
    if (way.mode === 'direct') {
      await watched.holdBack(a, sent.submitted);
      await a.host.postfix.route({ gateway: closed, routes: { 'b.test': exchanger } });
      await a.host.postfix.flush();
      await watched.holdBack(b, sent.submitted);
      await b.host.postfix.route({ gateway: b.gateway.at });
      await b.host.postfix.flush();
      if (way.end === 'reported') {
        await watched.holdBack(a, 1);
        await domains.routeAsUsual();
        await a.host.postfix.flush();
      }
    }
    const [host, reader] = way.end === 'delivered' ? [b.host, recipient] : [a.host, author];
    await until(async () => (await host.dovecot.mail(reader.local)).length > 0);
    await until(() => domains.settled());
    const [mail = Buffer.alloc(0)] = await fetchInbox(host.account(reader.local));
    if (way.end === 'delivered') {
      await mkdir(join(folder, 'reader'));
      await writeFile(join(folder, 'reader', 'opened.eml'), gpg.run(['--decrypt'], mail).stdout);
    } else {
      const opened = await alice.open(mail);
      if (opened.kind !== 'report' || opened.messageId !== letter.telltales.messageId || !opened.sealed)
        throw new Error('no report of the letter came back');
    }
    await journalsCut(folder);

    const paths = sent.recipients.flatMap((one) => one.paths);
    const play = { way, author, recipient, serversOf, nameServer, resolvers: resolverNames, paths };
    cast = chainCast({ ...play, authority: authorityName, mixes: mixNames });
    ({ pieces } = await watched.gather(cast));
    const secrets = await secretsOf(cast, letter.telltales, alice, (await alice.route()).consensus);
    facts = [...secrets, textFact('author mailbox', 'IP address', authorsAddress)];
    judge = createJudge({
      cast,
      facts,
      published: await publishedBy(domains.authority.url, watched.directory.connections),
    });
    knowledge = judge(pieces);
  }, 240_000);
  afterAll(() => stack.disposeAsync());

  test.each(parties)('%s has nothing that it must not have', (party) => {
    expect(knowledge.violations.filter((one) => one.startsWith(`${party}: `))).toEqual([]);
    const cells = knowledge.rows.find((row) => row.party === party)?.cells;
    const found = kinds.filter((kind) => cells?.[kind].found);
    expect(found.filter((kind) => mayKnow(party, kind) === 'no')).toEqual([]);
  });

  test('everything was gathered, and what is there for sure was found where it is', () => {
    expect(knowledge.missed).toEqual([]);
    expect(knowledge.ok).toBe(true);
    const { facts: count, pieces: sources, bytes } = knowledge.searched;
    process.stdout.write(
      `${way.mode}, ${way.end}: ${count} facts, ${parties.length} parties, ${sources} pieces, ${bytes} bytes; hits where none may be: ${knowledge.violations.length}\n`,
    );
  });

  test('the author’s IP address, which their gateway sees, stands nowhere', () => {
    const { search } = createSearcher(facts.filter(({ what }) => what === 'IP address'));
    const found = pieces.filter(({ bytes }) => search(bytes).length > 0);
    expect(found.map(({ owner, where }) => `${owner}: ${where}`)).toEqual([]);
  });

  test('mixes ask no DNS', async () => {
    const log = async (asker: 'alice' | 'mixes'): Promise<string> =>
      (await watched.domains.resolvers.get(asker)?.log()) ?? '';
    const asked = / info: 127\.0\.0\.1 \S+ \S+ IN$/m;
    expect(await log('alice')).toMatch(asked);
    expect(await log('mixes')).toContain('start of service');
    expect(await log('mixes')).not.toMatch(asked);
  });

  test('without any one of its sources it is not passed', () => {
    for (const { owner, how, part } of cast.sources) {
      const rest = pieces.filter(
        (piece) => piece.owner !== owner || piece.how !== how || (part !== undefined && piece.part !== part),
      );
      expect([owner, how, part, judge(rest).ok]).toEqual([owner, how, part, false]);
    }
  });

  test.each(parties)('what must not be with %s is seen beside everything else', (party) => {
    for (const kind of kinds.filter((one) => mayKnow(party, one) === 'no')) {
      const fact = facts.find((one) => one.kind === kind);
      if (fact === undefined) continue; // a direct letter has no mixes
      const planted: Piece = {
        party,
        owner: 'planted',
        how: 'log',
        where: 'planted',
        bytes: Buffer.from(`to=<${Buffer.from(fact.bytes).toString('base64')}>`),
      };
      const { ok, violations } = judge([...pieces, planted]);
      expect([kind, ok]).toEqual([kind, false]);
      expect(violations.some((one) => one.startsWith(`${party}: ${kind}: `))).toBe(true);
    }
  });
});

function personOf(local: string, domain: string) {
  return { mailbox: `${local}@${domain}`, local, domain };
}
