import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Cast,
  chainCast,
  chainTable,
  chainWays,
  createJudge,
  createSearcher,
  type Fact,
  type Judgement,
  kinds,
  type Piece,
  publishedBy,
  secretsOf,
  textFact,
  writeLetter,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
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

/** One letter between domains that nobody has written to before, and everything that anybody has of it. */
describe.skipIf(!haveDomains || !haveGnuPg).each(chainWays)('$mode, $end, smarthost: $smarthost', (way) => {
  const stack = new AsyncDisposableStack();
  const { parties, mayKnow } = chainTable(way);
  let watched: WatchedDomains;
  let cast: Cast;
  let facts: readonly Fact[];
  let pieces: readonly Piece[];
  let published: readonly Uint8Array[];
  let judge: (pieces: readonly Piece[]) => Judgement;
  let knowledge: Judgement;

  beforeAll(async () => {
    const gpg = stack.use(startGnuPg());
    watched = stack.use(await startWatchedDomains({ smarthost: way.smarthost }));
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

    // What the servers have on the way is looked at where it waits: at the author's, at the recipient's, and a report at the author's.
    if (way.mode === 'direct')
      await Promise.all([watched.holdBack(a, ['verified', 'smtp']), watched.holdBack(b, ['smtp'])]);
    const sent = await alice.send(letter.message, { mode: way.mode });
    if (sent.kind !== 'sent' || sent.pending > 0) throw new Error(JSON.stringify(sent));
    if (way.mode === 'direct') {
      if (way.smarthost) await watched.lookAtQueue(a, sent.submitted, ['smtp']);
      await watched.lookAtQueue(b, sent.submitted);
      if (way.end === 'reported') await watched.lookAtQueue(a, 1);
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
    published = await publishedBy(domains.authority.url, watched.directory.connections);
    judge = createJudge({ cast, facts, published });
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
      `${way.mode}, ${way.end}, smarthost: ${way.smarthost}: ${count} facts, ${parties.length} parties, ${sources} pieces, ${bytes} bytes; hits where none may be: ${knowledge.violations.length}\n`,
    );
  });

  test('the author’s IP address, which their gateway sees, stands nowhere', () => {
    const standing = (of: readonly Piece[]): string[] =>
      judge(of)
        .findings.filter(({ hit }) => hit.fact.what === 'IP address')
        .map(({ piece: { owner, where } }) => `${owner}: ${where}`);
    expect(standing(pieces)).toEqual([]);
    const { search } = createSearcher(facts.filter(({ what }) => what === 'IP address'));
    expect(published.flatMap((text) => search(text))).toEqual([]);
    const bytes = Buffer.from(`connect from unknown[${authorsAddress}]`);
    const planted: Piece = { party: 'author', owner: 'planted', how: 'log', where: 'log', bytes };
    expect(standing([...pieces, planted])).toEqual(['planted: log']);
  });

  test('mixes ask about the root and nothing else', async () => {
    const questions = async (asker: 'alice' | 'mixes'): Promise<string[]> => {
      const log = (await watched.domains.resolvers.get(asker)?.log()) ?? '';
      return [...log.matchAll(/ info: 127\.0\.0\.1 (\S+ \S+) IN$/gm)].map(([, question = '']) => question);
    };
    expect(await questions('alice')).toContain('_securemail.b.test. TXT');
    expect([...new Set(await questions('mixes'))]).toEqual(['. TXT']);
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
