import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import {
  type Answer,
  createStubResolver,
  createValidatingResolver,
  type RecordType,
  type Resolver,
} from '@postern/runtime/dns';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveKnot, type Knot, startKnot } from './knot.ts';
import { startMeddler } from './meddler.ts';
import { haveUnbound, startUnbound, type Unbound } from './unbound.ts';

const text = ['_securemail TXT "v=SM1"'];
const some = [
  ...text,
  '*.wild TXT "made"',
  'below.empty TXT "there"',
  'alias CNAME _securemail.signed.test.',
  'away CNAME _securemail.unsigned.test.',
  'one CNAME other',
  'other CNAME one',
  '@ MX 10 mx',
  'mx A 192.0.2.1',
  'mx AAAA 2001:db8::1',
  `_25._tcp.mx TLSA 3 1 1 ${'ab'.repeat(32)}`,
];
const certificate = randomBytes(20_000);
const key = (bytes: Buffer): string => `key OPENPGPKEY ${bytes.toString('base64')}`;
const small = [Buffer.from('one'), Buffer.from('two')];

/** A private Internet, asked in three ways that have to agree. */
describe.skipIf(!haveKnot || !haveUnbound)('DNSSEC of Debian’s Knot', () => {
  let knot: Knot;
  let unbound: Unbound;
  let silent: Socket;
  let resolvers: Record<'unbound' | 'inProcess' | 'inProcessThroughUnbound', Resolver>;

  beforeAll(async () => {
    knot = await startKnot({
      zones: [
        { name: '.', signed: 'nsec' },
        { name: 'test', records: ['lame NS ns.postern.invalid.'] },
        { name: 'signed.test', records: some },
        { name: 'walked.test', signed: 'nsec', records: some },
        {
          name: 'open.test',
          signed: 'opt-out',
          records: [...text, '*.wild TXT "made"', '*.alias CNAME _securemail.signed.test.'],
        },
        { name: 'child.open.test', signed: 'no', records: text },
        { name: 'unsigned.test', signed: 'no', records: text },
        { name: 'orphan.test', ds: 'missing', records: text },
        { name: 'wrong.test', ds: 'wrong', records: text },
        { name: 'expired.test', records: text, frozen: { at: 1_600_000_000 } },
        {
          name: 'bent.test',
          records: text,
          frozen: { tamper: (zone) => zone.replaceAll('"v=SM1"', '"v=SM1; mix=no"') },
        },
        {
          name: 'bare.test',
          records: text,
          frozen: { tamper: (zone) => zone.replace(/^.*\sRRSIG\s+TXT .*$/gm, '') },
        },
        {
          name: 'keys.test',
          records: [...small.map(key), `large OPENPGPKEY ${certificate.toString('base64')}`],
        },
        { name: 'moving.test', records: text },
      ],
    });
    silent = createSocket('udp4');
    await new Promise<void>((resolve) => {
      silent.bind(0, '127.0.0.1', resolve);
    });
    unbound = await startUnbound({
      root: knot.anchors,
      stubs: knot.zones.map((zone) => ({ zone, address: knot.address })),
    });
    const { anchors } = knot;
    resolvers = {
      unbound: createStubResolver({ server: unbound.address }),
      inProcess: createValidatingResolver({ server: knot.address, anchors }),
      inProcessThroughUnbound: createValidatingResolver({ server: unbound.address, anchors }),
    };
  });
  afterAll(async () => {
    silent?.close();
    await unbound?.[Symbol.asyncDispose]();
    await knot?.[Symbol.asyncDispose]();
  });

  /** The answer that all three give. */
  const ask = async <T extends RecordType>(name: string, type: T): Promise<Answer<T>> => {
    const [first, ...others] = await Promise.all(
      Object.values(resolvers).map((resolver) => resolver.resolve(name, type)),
    );
    if (first === undefined) throw new Error('nobody was asked');
    for (const other of others) expect(comparable(other)).toEqual(comparable(first));
    return first;
  };
  const found = (secure: boolean, ...records: object[]): object => ({ kind: 'found', secure, records });
  const none = (secure: boolean): object => ({ kind: 'none', secure });
  const failed = (reason: string): object => ({ kind: 'failed', reason });
  const v1 = { strings: ['v=SM1'] };

  describe.each(['signed.test', 'walked.test'])('a signed zone: %s', (zone) => {
    test.each<[string, string, RecordType, object]>([
      ['a record', '_securemail', 'TXT', found(true, v1)],
      ['another type', '_securemail', 'OPENPGPKEY', none(true)],
      ['no such name', 'nowhere', 'TXT', none(true)],
      ['below a name', 'x._securemail', 'TXT', none(true)],
      ['a name with only names below', 'empty', 'TXT', none(true)],
      ['beside the name below', 'x.empty', 'TXT', none(true)],
      ['made from a wildcard', 'any.wild', 'TXT', found(true, { strings: ['made'] })],
      ['two labels from a wildcard', 'a.b.wild', 'TXT', found(true, { strings: ['made'] })],
      ['another type at a wildcard', 'any.wild', 'MX', none(true)],
      ['the wildcard itself', '*.wild', 'TXT', found(true, { strings: ['made'] })],
      ['a CNAME into a signed zone', 'alias', 'TXT', found(true, v1)],
      ['a CNAME into an unsigned zone', 'away', 'TXT', found(false, v1)],
      ['an address', 'mx', 'A', found(true, { address: '192.0.2.1' })],
      ['a longer address', 'mx', 'AAAA', found(true, { address: '2001:db8::1' })],
      [
        'a TLS key',
        '_25._tcp.mx',
        'TLSA',
        found(true, { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32).fill(0xab) }),
      ],
    ])('%s', async (_what, name, type, answer) => {
      expect(await ask(`${name}.${zone}`, type)).toMatchObject(answer);
    });

    test('the zone’s own name', async () => {
      expect(await ask(zone, 'MX')).toMatchObject(found(true, { preference: 10, exchange: `mx.${zone}.` }));
      expect(await ask(zone, 'TXT')).toMatchObject(none(true));
    });
  });

  test.each<[string, string, object]>([
    ['no such zone', '_securemail.nowhere.test', none(true)],
    ['no such top level', '_securemail.nowhere', none(true)],
    ['an unsigned child', '_securemail.unsigned.test', found(false, v1)],
    ['nothing in an unsigned child', 'nowhere.unsigned.test', none(false)],
    ['a signed child that nobody vouches for', '_securemail.orphan.test', found(false, v1)],
    ['a zone that opts out', '_securemail.open.test', found(true, v1)],
    ['an unsigned child in what opts out', '_securemail.child.open.test', found(false, v1)],
    [
      'made from a wildcard in a zone that opts out',
      'any.wild.open.test',
      found(false, { strings: ['made'] }),
    ],
    ['a CNAME made from a wildcard in a zone that opts out', 'any.alias.open.test', found(false, v1)],
    ['no such name in a zone that opts out', 'nowhere.open.test', none(false)],
    ['a DS of another key', '_securemail.wrong.test', failed('bogus')],
    ['nothing under a DS of another key', 'nowhere.wrong.test', failed('bogus')],
    ['expired signatures', '_securemail.expired.test', failed('bogus')],
    ['expired proof that there is nothing', 'nowhere.expired.test', failed('bogus')],
    ['a record that was tampered with', '_securemail.bent.test', failed('bogus')],
    ['a record that lost its signature', '_securemail.bare.test', failed('bogus')],
  ])('%s', async (_what, name, answer) => {
    expect(await ask(name, 'TXT')).toMatchObject(answer);
  });

  test('a CNAME loop is no answer', async () => {
    for (const resolver of Object.values(resolvers))
      expect(await resolver.resolve('one.signed.test', 'TXT')).toMatchObject({ kind: 'failed' });
  });

  test('20 KB, and two certificates at one name', async () => {
    expect(await ask('large.keys.test', 'OPENPGPKEY')).toMatchObject(
      found(true, { certificate: Uint8Array.from(certificate) }),
    );
    const both = await ask('key.keys.test', 'OPENPGPKEY');
    const held = both.kind === 'found' ? both.records.map((each) => Buffer.from(each.certificate)) : [];
    expect(held.sort(Buffer.compare)).toEqual(small);
  });

  test('a zone whose servers are gone', async () => {
    const lame = await resolvers.unbound.resolve('_securemail.lame.test', 'TXT');
    expect(lame).toEqual(failed('servfail'));
    expect(await resolvers.inProcessThroughUnbound.resolve('_securemail.lame.test', 'TXT')).toEqual(
      failed('servfail'),
    );
  });

  test('a resolver that never answers', async () => {
    const { port } = silent.address();
    const server = { host: '127.0.0.1', port };
    const soon = { server, timeoutMs: 100 };
    for (const resolver of [
      createStubResolver(soon),
      createValidatingResolver({ ...soon, anchors: knot.anchors }),
    ])
      expect(await resolver.resolve('_securemail.signed.test', 'TXT')).toEqual(failed('timeout'));
  });

  test('other anchors than the root’s: nothing can be proven', async () => {
    const stranger = createValidatingResolver({ server: knot.address });
    expect(await stranger.resolve('_securemail.signed.test', 'TXT')).toEqual(failed('bogus'));
    expect(await stranger.resolve('_securemail.unsigned.test', 'TXT')).toEqual(failed('bogus'));
  });

  test.each([
    '_securemail.signed.test',
    'any.wild.walked.test',
    'nowhere.signed.test',
    '_securemail.expired.test',
  ])('whatever octet somebody changes on the way to it, nothing false is believed of %s', async (name) => {
    await using meddler = await startMeddler(knot.address);
    const at = { server: meddler.address, anchors: knot.anchors };
    const truth = await createValidatingResolver(at).resolve(name, 'TXT');
    const options = { ...at, timeoutMs: 50 };
    const answers = meddler.seen;
    const believed: Answer[] = [];
    for (let run = 0; run < 150; run += 1) {
      meddler.seen = 0;
      meddler.change = (answer, nth) => {
        if (nth !== run % answers) return answer;
        const changed = Buffer.from(answer);
        // Behind the question: a changed one is waited past. A prime number of octets on, so that all kinds of place are met.
        const place = 40 + ((run * 37) % (answer.length - 40));
        changed[place] = (changed[place] ?? 0) ^ (1 << (run % 8));
        return changed;
      };
      believed.push(await createValidatingResolver(options).resolve(name, 'TXT'));
    }
    const taken = believed.filter(({ kind }) => kind !== 'failed');
    for (const answer of taken) expect(comparable(answer)).toEqual(comparable(truth));
    expect(taken.length).toBeLessThan(believed.length);
  });

  test('an answer without its proof, or without its signatures, is not believed', async () => {
    await using meddler = await startMeddler(knot.address);
    const options = { server: meddler.address, anchors: knot.anchors };
    // Only the answer section is left: what denies, and what rules a nearer name out, is gone.
    meddler.change = (answer) => {
      const changed = Buffer.from(answer);
      changed.writeUInt16BE(0, 8);
      changed.writeUInt16BE(0, 10);
      return changed;
    };
    for (const name of ['nowhere.signed.test', 'any.wild.signed.test', '_securemail.unsigned.test'])
      expect(await createValidatingResolver(options).resolve(name, 'TXT')).toEqual(failed('bogus'));
    // No section is left: as if there were nothing.
    meddler.change = (answer) => {
      const changed = Buffer.from(answer);
      changed.fill(0, 6, 12);
      return changed;
    };
    const { resolve } = createValidatingResolver(options);
    expect(await resolve('_securemail.signed.test', 'TXT')).toEqual(failed('bogus'));
  });

  test('a zone changes while it is served', async () => {
    expect(await ask('_securemail.moving.test', 'TXT')).toMatchObject(found(true, v1));
    await knot.change('moving.test', ['_securemail TXT "v=SM2"']);
    await unbound.flush();
    expect(await ask('_securemail.moving.test', 'TXT')).toMatchObject(found(true, { strings: ['v=SM2'] }));
    await knot.change('moving.test', []);
    await unbound.flush();
    expect(await ask('_securemail.moving.test', 'TXT')).toMatchObject(none(true));
  });
});

/** Lifetimes count down in a cache and do not at their source, and records have no order. */
function comparable(answer: Answer): object {
  if (answer.kind === 'failed') return answer;
  const { ttlSeconds: _ttlSeconds, ...rest } = answer;
  return rest.kind === 'none' ? rest : { ...rest, records: new Set(rest.records) };
}
