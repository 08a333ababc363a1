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
  type Way,
  wayName,
  writeLetter,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import { haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { authorsAddress, haveDomains, homeOf } from './domains.ts';
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
const ways = chainWays.map((way) => [wayName(way), way] as const);
describe.skipIf(!haveDomains || !haveGnuPg).each(ways)('%s', (name, way) => {
  const stack = new AsyncDisposableStack();
  const { parties, mayKnow } = chainTable(way);
  const account = way.by === 'account';
  let watched: WatchedDomains;
  let cast: Cast;
  let facts: readonly Fact[];
  let pieces: readonly Piece[];
  let published: readonly Uint8Array[];
  let judge: (pieces: readonly Piece[]) => Judgement;
  let knowledge: Judgement;

  beforeAll(async () => {
    const gpg = stack.use(startGnuPg());
    watched = stack.use(await startWatchedDomains(way));
    const { domains } = watched;
    const { folder } = domains;
    const { program } = watched.author;
    // Who is not there has a name that nobody else has either.
    const recipient = personOf(`${way.end === 'delivered' ? 'bartholomew' : 'zacharias'}@b.test`);
    const author = personOf(watched.author.mailbox);
    const key = gpg.makeKey(`${recipient.local} <${recipient.mailbox}>`);
    await program.keys.import(gpg.run(['--export', key]).stdout);
    const letter = writeLetter({
      from: author.mailbox,
      to: [recipient.mailbox],
      date: new Date(),
      attachmentBytes: 60_000,
    });
    await writeFile(join(homeOf(folder, author.mailbox), 'letter.eml'), letter.message);

    const sent = await sendByQueues(watched, way, letter.message);
    const [host, reader] =
      way.end === 'delivered' ? [domains.b.host, recipient] : [watched.author.host, author];
    await until(async () => (await host.dovecot.mail(reader.local)).length > 0);
    await until(() => watched.settled());
    const [mail = Buffer.alloc(0)] = await fetchInbox(host.account(reader.local));
    if (way.end === 'delivered') {
      await mkdir(join(folder, 'reader'));
      await writeFile(join(folder, 'reader', 'opened.eml'), gpg.run(['--decrypt'], mail).stdout);
    } else {
      const opened = await program.open(mail);
      if (opened.kind !== 'report' || opened.messageId !== letter.telltales.messageId || !opened.sealed)
        throw new Error('no report of the letter came back');
    }
    await journalsCut(folder);

    const paths = sent.recipients.flatMap((one) => one.paths);
    const play = { way, author, recipient, serversOf, otherDomain: 'a.test', nameServer, paths };
    cast = chainCast({ ...play, resolvers: resolverNames, authority: authorityName, mixes: mixNames });
    ({ pieces } = await watched.gather(cast));
    const secrets = await secretsOf(cast, letter.telltales, program, (await program.route()).consensus);
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
      `${name}: ${count} facts, ${parties.length} parties, ${sources} pieces, ${bytes} bytes; hits where none may be: ${knowledge.violations.length}\n`,
    );
  });

  test('the author’s IP address stands with the provider of an account and whom it tells of it, and with no gateway', () => {
    const findings = (of: readonly Piece[]): Piece[] =>
      judge(of)
        .findings.filter(({ hit }) => hit.fact.what === 'IP address')
        .map(({ piece }) => piece);
    const holders = findings(pieces).map(({ party }) => party);
    expect(holders.includes("author's mail server")).toBe(account);
    expect(holders.filter((party) => !account || mayKnow(party, 'author mailbox') === 'no')).toEqual([]);
    const { search } = createSearcher(facts.filter(({ what }) => what === 'IP address'));
    expect(published.flatMap((text) => search(text))).toEqual([]);
    const bytes = Buffer.from(`connect from unknown[${authorsAddress}]`);
    const planted: Piece = { party: 'author', owner: 'planted', how: 'log', where: 'log', bytes };
    expect(findings([...pieces, planted]).map(({ owner }) => owner)).toContain('planted');
  });

  test('mixes ask about the root, and about a domain that the consensus does not name', async () => {
    const questions = async (asker: 'alice' | 'mixes'): Promise<string[]> => {
      const log = (await watched.domains.resolvers.get(asker)?.log()) ?? '';
      return [...log.matchAll(/ info: 127\.0\.0\.1 (\S+ \S+) IN$/gm)].map(([, question = '']) => question);
    };
    expect(await questions('alice')).toContain('_securemail.b.test. TXT');
    const asked = [...new Set(await questions('mixes'))].sort();
    expect(asked).toEqual(['. TXT', ...(way.listed ? [] : ofDomain)].sort());
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

/** What finds a domain's exchangers: record, certificate, MX, addresses, TLSA. */
const ofDomain = [
  '_securemail.b.test. TXT',
  '6a934b45144e3758911efa29ed68fb2d420fa7bd568739cdcda9251f._openpgpkey.b.test. OPENPGPKEY',
  'b.test. MX',
  'mx.b.test. A',
  'mx.b.test. AAAA',
  '_25._tcp.mx.b.test. TLSA',
];

/** What mail servers have on the way is looked at where it waits: at the author's, at the recipient's, and a report at the author's. */
async function sendByQueues(watched: WatchedDomains, { mode, by, listed, end }: Way, message: Uint8Array) {
  const { a, b } = watched.domains;
  const { program, host } = watched.author;
  const byMail = mode === 'direct' || !listed;
  const fromMail = by !== 'gateway';
  if (mode === 'direct' && by !== 'account') await watched.holdBack(a.host, ['verified', 'smtp']);
  if (by === 'account') await watched.holdBack(host, ['smtp']);
  if (byMail) await watched.holdBack(b.host, ['smtp']);
  const tls = by === 'account' ? 'prefer' : 'require';
  const sent = await program.send(message, { mode, tls });
  if (sent.kind !== 'sent' || sent.pending > 0) throw new Error(JSON.stringify(sent));
  if (fromMail) await watched.lookAtQueue(host, sent.submitted, by === 'smarthost' ? ['smtp'] : []);
  if (byMail) await watched.lookAtQueue(b.host, sent.submitted);
  if (mode === 'direct' && end === 'reported') await watched.lookAtQueue(a.host, 1);
  return sent;
}

function personOf(mailbox: string) {
  const [local = '', domain = ''] = mailbox.split('@');
  return { mailbox, local, domain };
}
