import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeJson } from '../codec/json.ts';
import { formatNote, type NoteSigner, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { defaultGeometry } from '../packet/index.ts';
import { testAuthority } from '../testing/authority.ts';
import {
  agenda,
  authority1,
  authority2,
  authority3,
  before,
  epoch,
  epochSeconds,
  gateway,
  mix,
  now,
  registered,
} from '../testing/network.ts';
import {
  type ConsensusReader,
  consensusDigest,
  encodeConsensus,
  signConsensus,
  verifyConsensus,
} from './consensus.ts';
import { type Consensus, maxConsensusLength } from './documents.ts';
import { tabulate } from './tabulate.ts';

const { previous, log } = before;
const elsewhere = '0'.repeat(64);
const consensus = tabulate(
  registered([mix('mix1.test'), mix('mix2.test', { family: 'op' }), gateway('gateway.b.test')]),
  { ...agenda, ...before },
);
const digest = consensusDigest(consensus);
const all = [authority1, authority2, authority3];
const authorities = all.map(({ key }) => key);
const signingKeys = all.map(({ signingKey }) => signingKey);
const reader: ConsensusReader = { authorities, threshold: 2, signingKeys, now };
const stranger = testAuthority('x.test', { now });
const signed = signConsensus(consensus, [authority1, authority2]);

function reasonOf(text: string, by: Partial<ConsensusReader> = {}): string {
  const verified = verifyConsensus(text, { ...reader, ...by });
  return verified.kind === 'refused' ? verified.reason : verified.kind;
}

/** Signs any value as the authorities would. */
function signedAnyway(value: unknown, origin = 'postern.consensus/v1'): string {
  const text = `${origin}\n${encodeJson(value)}\n`;
  return formatNote({ text, signatures: [signText(text, authority1), signText(text, authority2)] });
}

test('gives the consensus, its digest, who signed and the geometry', () => {
  expect(verifyConsensus(signed, reader)).toEqual({
    kind: 'consensus',
    consensus,
    digest,
    signedBy: ['authority1.test', 'authority2.test'],
    geometry: defaultGeometry,
  });
});

test('has one digest whoever signed it', () => {
  const verified = verifyConsensus(signConsensus(consensus, [authority3, authority1]), reader);
  expect(verified.kind === 'consensus' && verified.digest).toBe(digest);
});

describe('signatures', () => {
  const forged = signConsensus(consensus, [
    authority1,
    testAuthority('authority2.test', { now, generation: 2 }),
  ]);
  const [, badLine = ''] =
    /(\u2014 authority2.*\n)/.exec(signConsensus({ ...consensus, meanDelayMs: 1 }, [authority2])) ?? [];
  test.each([
    ['all', 'consensus', signConsensus(consensus, [authority1, authority2, authority3])],
    ['as many as needed, one added later', 'consensus', signConsensus(consensus, [authority3, authority1])],
    [
      'as many as needed beside an unknown one',
      'consensus',
      signConsensus(consensus, [authority1, authority2, stranger]),
    ],
    ['one', 'too-few-signatures', signConsensus(consensus, [authority1])],
    ['one authority twice', 'repeated-signatures', signConsensus(consensus, [authority1, authority1])],
    ['one known and one unknown', 'too-few-signatures', signConsensus(consensus, [authority1, stranger])],
    ['an unknown key under a known name', 'too-few-signatures', forged],
    [
      'enough good ones and a bad one by a known key',
      'bad-signature',
      signConsensus(consensus, [authority1, authority3]) + badLine,
    ],
  ])('by %s: %s', (_, outcome, text) => {
    expect(badLine).not.toBe('');
    expect(reasonOf(text)).toBe(outcome);
  });

  test('by two keys of one authority count once', () => {
    const second = testAuthority('authority1.test', { now, generation: 2 });
    const text = signConsensus(consensus, [authority1, second]);
    const both = { signingKeys: [...signingKeys, second.signingKey] };
    expect(reasonOf(text, both)).toBe('repeated-signatures');
    expect(reasonOf(signConsensus(consensus, [authority1, second, authority2]), both)).toBe('consensus');
  });

  test('by a key that no certificate here is for name the authority that may have one', () => {
    expect(verifyConsensus(forged, reader)).toEqual({
      kind: 'refused',
      reason: 'too-few-signatures',
      detail:
        'signed by 1 of the authorities known here, 2 needed; there is no certificate for the key that authority2.test has signed with',
      uncertified: ['authority2.test'],
    });
    expect(verifyConsensus(signConsensus(consensus, [authority1, stranger]), reader)).not.toHaveProperty(
      'uncertified',
    );
  });

  test('of an authority that is none of the reader’s do not count, though its certificate was read', () => {
    const text = signConsensus(consensus, [authority1, stranger]);
    expect(reasonOf(text, { signingKeys: [...signingKeys, stranger.signingKey] })).toBe('too-few-signatures');
    const namesake = testAuthority('authority2.test', { now, seed: 'another' });
    const copied = signConsensus(consensus, [authority1, namesake]);
    expect(reasonOf(copied, { signingKeys: [...signingKeys, namesake.signingKey] })).toBe(
      'too-few-signatures',
    );
  });

  const start = epoch * epochSeconds;
  test.each([
    ['begins with the consensus', 'consensus', { validAfter: start }],
    ['begins after it', 'too-few-signatures', { validAfter: start + 1 }],
    ['ends right after it has begun', 'consensus', { validUntil: start + 1 }],
    ['ends as it begins', 'too-few-signatures', { validUntil: start }],
  ])('by a key whose certificate %s: %s', (_, outcome, change) => {
    const { signingKey } = testAuthority('authority2.test', { now, change });
    const keys = [authority1.signingKey, signingKey];
    expect(reasonOf(signed, { signingKeys: keys })).toBe(outcome);
    // it is the document's time that decides, and not when it is read
    expect(reasonOf(signed, { signingKeys: keys, now: start + 2 * epochSeconds })).toBe(outcome);
  });

  test('by keys of another time say of which', () => {
    const { signingKey } = testAuthority('authority2.test', { now, change: { validUntil: start - 60 } });
    expect(
      verifyConsensus(signed, { ...reader, signingKeys: [authority1.signingKey, signingKey] }),
    ).toMatchObject({
      detail: expect.stringMatching(
        /^signed by 1 .*; the key of authority2\.test is for documents from .* until 1970-02-11T15:59:00\.000Z, and this one is of 1970-02-11T16:00:00\.000Z$/,
      ),
    });
  });

  test('are found good before the text is read, whatever it says of its time', () => {
    const text = 'postern.consensus/v1\nno JSON\n';
    const by = (signers: readonly NoteSigner[]): string =>
      formatNote({ text, signatures: signers.map((signer) => signText(text, signer)) });
    expect(reasonOf(by([authority1]))).toBe('too-few-signatures');
    expect(reasonOf(by([authority1, authority2]))).toBe('malformed');
  });

  test.each<[string, Partial<ConsensusReader>]>([
    ['a threshold of none', { threshold: 0 }],
    ['a threshold that nobody can meet', { threshold: 4 }],
    ['half a threshold', { threshold: 1.5 }],
    ['an authority listed twice to meet it', { authorities: [authority1.key, authority1.key] }],
    ['a key under two names', { authorities: [authority1.key, { ...authority1.key, name: 'other.test' }] }],
    ['no authority', { authorities: [], threshold: 1 }],
  ])('%s is a mistake of the reader', (_, by) => {
    expect(() => verifyConsensus(signed, { ...reader, ...by })).toThrow(ProtocolError);
  });
});

describe('time and history', () => {
  const start = epoch * epochSeconds;
  test.each([
    ['at its start', 'consensus', { now: start }],
    ['a minute early, by a clock that is behind', 'consensus', { now: start - 60 }],
    ['more than a minute early', 'not-yet-valid', { now: start - 61 }],
    ['when it is no longer fresh', 'consensus', { now: start + epochSeconds }],
    ['in its last second', 'consensus', { now: start + 3 * epochSeconds - 1 }],
    ['when it has ended', 'expired', { now: start + 3 * epochSeconds }],
    ['after the one that it names', 'consensus', { last: { epoch: epoch - 1, digest: previous, log } }],
    [
      'after the one that it names, epochs later',
      'consensus',
      { last: { epoch: epoch - 7, digest: previous, log } },
    ],
    ['after another than it names', 'fork', { last: { epoch: epoch - 1, digest: elsewhere, log } }],
    [
      'after another than it names, epochs ago',
      'fork',
      { last: { epoch: epoch - 7, digest: elsewhere, log } },
    ],
    [
      'after a log of another root',
      'fork',
      { last: { epoch: epoch - 1, digest: previous, log: { size: 1, root: elsewhere } } },
    ],
    [
      'after a log that is longer',
      'fork',
      { last: { epoch: epoch - 7, digest: elsewhere, log: { size: 2, root: elsewhere } } },
    ],
    [
      'after a log that is shorter, by what the epochs between have room for',
      'consensus',
      { last: { epoch: epoch - 2, digest: elsewhere, log: { size: 0, root: elsewhere } } },
    ],
    [
      'after a log that is shorter, by more than that',
      'fork',
      { last: { epoch: epoch - 1, digest: elsewhere, log: { size: 0, root: elsewhere } } },
    ],
    [
      'after another than it names, too late',
      'fork',
      { last: { epoch: epoch - 1, digest: elsewhere, log }, now: start + 9 * epochSeconds },
    ],
    ['again', 'consensus', { last: { epoch, digest, log } }],
    ['beside another for its epoch', 'fork', { last: { epoch, digest: elsewhere, log } }],
    ['after a newer one', 'rollback', { last: { epoch: epoch + 1, digest, log } }],
    [
      'after a newer one, too late',
      'rollback',
      { last: { epoch: epoch + 1, digest, log }, now: start + 9 * epochSeconds },
    ],
  ])('%s: %s', (_, outcome, by) => {
    expect(reasonOf(signed, by)).toBe(outcome);
  });

  test('one that calls itself the first is taken by who has seen none, and not after another', () => {
    const first = signConsensus({ ...consensus, previous: '', log: agenda.log }, [authority1, authority2]);
    expect(reasonOf(first)).toBe('consensus');
    expect(reasonOf(first, { last: { epoch: epoch - 1, digest: previous, log } })).toBe('fork');
  });

  test('an epoch of seconds bears no minute of error', () => {
    const short = tabulate([], { ...agenda, epochSeconds: 5 });
    const text = signConsensus(short, [authority1, authority2]);
    expect(reasonOf(text, { now: epoch * 5 - 5 })).toBe('consensus');
    expect(reasonOf(text, { now: epoch * 5 - 6 })).toBe('not-yet-valid');
  });

  test('a refusal says since when', () => {
    const verified = verifyConsensus(signed, { ...reader, now: start + 3 * epochSeconds + 7 });
    expect(verified).toMatchObject({ detail: expect.stringMatching(/until 1970-02-11T19:00:00\.000Z, 7 s/) });
  });
});

describe('is refused', () => {
  const { geometry, nodes } = consensus;
  const [first, second, third] = nodes;
  const given = (change: object): object => ({ ...consensus, ...change });
  const withFirst = (change: object): object => given({ nodes: [{ ...first, ...change }, second, third] });
  const gatewayEntry = nodes.find(({ roles }) => roles.includes('delivery'));
  const mixEntry = nodes.find(({ roles }) => roles.includes('mix'));

  const malformed: [string, string, object][] = [
    ['an unknown member', 'the document has a member that is not defined', given({ more: 1 })],
    ['a missing member', 'the document lacks the member previous', given({ previous: undefined })],
    ['another version', 'version is none of 1', given({ version: 2 })],
    ['a negative epoch', 'epoch is not between 0 and 4294967295', given({ epoch: -1 })],
    ['an epoch beyond 32 bits', 'epoch is not between 0 and 4294967295', given({ epoch: 2 ** 32 })],
    ['half an epoch', 'epoch is no integer', given({ epoch: 0.5 })],
    [
      'an epoch of no length',
      'epochSeconds is not between 1 and 604800',
      given({ epochSeconds: 0, validAfter: 0 }),
    ],
    [
      'an epoch longer than a week',
      'epochSeconds is not between 1 and 604800',
      given({ epochSeconds: 604_801 }),
    ],
    [
      'a start that is not the epoch’s',
      'validAfter is not the start of the epoch',
      given({ validAfter: consensus.validAfter + 1 }),
    ],
    [
      'an end that is not the epoch’s',
      'freshUntil is not the end of the epoch',
      given({ freshUntil: consensus.freshUntil + 1 }),
    ],
    [
      'a validity that ends before freshness',
      'validUntil is not within 2 epochs of freshUntil',
      given({ validUntil: consensus.freshUntil - 1 }),
    ],
    [
      'a validity longer than keys are held',
      'validUntil is not within 2 epochs of freshUntil',
      given({ validUntil: consensus.validUntil + 1 }),
    ],
    ['a negative delay', 'meanDelayMs is not between 0 and 86400000', given({ meanDelayMs: -1 })],
    [
      'a delay of more than a day',
      'meanDelayMs is not between 0 and 86400000',
      given({ meanDelayMs: 86_400_001 }),
    ],
    ['no hops', 'geometry.hops is not between 1 and 16', given({ geometry: { ...geometry, hops: 0 } })],
    [
      'an unknown member of the geometry',
      'geometry has a member that is not defined',
      given({ geometry: { ...geometry, layerBytes: 1 } }),
    ],
    ['nodes out of order', 'nodes[1] is out of order', given({ nodes: [...nodes].reverse() })],
    ['a repeated node', 'nodes[1] is out of order', given({ nodes: [first, first] })],
    ['two nodes of one name', 'nodes share a name', withFirst({ name: second?.name })],
    [
      'two gateways of one domain',
      'nodes share a served domain',
      given({ nodes: [gatewayEntry, { ...gatewayEntry, id: 'f'.repeat(64), name: 'x.test' }] }),
    ],
    ['an id that is none', 'nodes[0].id is no hex SHA-256', withFirst({ id: 'x' })],
    [
      'a layer beyond the last hop',
      'nodes name a layer beyond the last hop',
      given({ nodes: [{ ...mixEntry, layer: 4 }] }),
    ],
    [
      'a mix without a layer',
      'nodes[0].layer does not fit the roles',
      given({ nodes: [{ ...mixEntry, layer: 0 }] }),
    ],
    [
      'a mix without a key',
      'nodes[0] does not have mix keys exactly if it is a mix',
      given({ nodes: [{ ...mixEntry, mixKey: '' }] }),
    ],
    [
      'a gateway in a layer',
      'nodes[0].layer does not fit the roles',
      given({ nodes: [{ ...gatewayEntry, layer: 1 }] }),
    ],
    [
      'a gateway with a mix key',
      'nodes[0] does not have mix keys exactly if it is a mix',
      given({ nodes: [{ ...gatewayEntry, mixKey: mixEntry?.mixKey }] }),
    ],
    [
      'a gateway without domains',
      'nodes[0] does not serve domains exactly if it delivers',
      given({ nodes: [{ ...gatewayEntry, domains: [] }] }),
    ],
    [
      'a node without a role',
      'nodes[0] has no role',
      given({ nodes: [{ ...gatewayEntry, roles: [], domains: [] }] }),
    ],
    ['a revoked node among the nodes', 'nodes name a revoked one', given({ revoked: [first?.id] })],
    [
      'revoked ids out of order',
      'revoked[1] is out of order',
      given({ revoked: ['b'.repeat(64), 'a'.repeat(64)] }),
    ],
    ['a short shared value', 'shared is no hex SHA-256', given({ shared: 'ab' })],
    ['a previous digest that is none', 'previous is no hex SHA-256', given({ previous: 'x' })],
    [
      'a log longer than there were epochs',
      'log.size is more than there were epochs',
      given({ log: { ...log, size: epoch + 1 } }),
    ],
    [
      'one before it, and an empty log',
      'log.size is not 0 exactly if there is none before',
      given({ log: agenda.log }),
    ],
    [
      'none before it, and a log',
      'log.size is not 0 exactly if there is none before',
      given({ previous: '' }),
    ],
    [
      'a log of the empty one’s root',
      'log.root does not fit the size',
      given({ log: { ...log, root: agenda.log.root } }),
    ],
    ['a root that is none', 'log.root is no hex SHA-256', given({ log: { ...log, root: 'x' } })],
    ['a list of nodes that is none', 'nodes is no list', given({ nodes: {} })],
    [
      'a member __proto__',
      'the document has a member that is not defined',
      JSON.parse(`${JSON.stringify(consensus).slice(0, -1)},"__proto__":{}}`) as object,
    ],
  ];
  test.each(malformed)('as malformed with %s', (_, detail, value) => {
    const refusal = { kind: 'refused', reason: 'malformed', detail };
    expect(verifyConsensus(signedAnyway(value), reader)).toEqual(refusal);
  });

  test.each([
    ['an unknown suite', { ...geometry, suite: 99 }],
    ['sizes that leave no payload', { ...geometry, packetBytes: 100 }],
    ['another digest', { ...geometry, digest: '0'.repeat(64) }],
    ['other figures than the digest’s', { ...geometry, packetBytes: 65_536 }],
  ])('for its geometry with %s', (_, wrong) => {
    expect(reasonOf(signedAnyway({ ...consensus, geometry: wrong }))).toBe('wrong-geometry');
  });

  test.each([
    ['a later version', 'unknown-version', signedAnyway(consensus, 'postern.consensus/v2')],
    ['another kind of document', 'malformed', signedAnyway(consensus, 'postern.descriptor/v1')],
    [
      'a repeated member in its JSON',
      'malformed',
      signedRaw(encodeJson(consensus).replace('"epoch":', '"epoch":1,"epoch":')),
    ],
    ['other spacing in its JSON', 'malformed', signedRaw(encodeJson(consensus).replace(':', ': '))],
    ['garbage', 'malformed', 'garbage'],
    ['too many characters', 'oversized', 'x'.repeat(maxConsensusLength + 1)],
  ])('with %s as %s', (_, reason, text) => {
    expect(reasonOf(text)).toBe(reason);
  });

  test('when any character of the text is changed', () => {
    const end = signed.indexOf('\n\n');
    const step = 7;
    for (let at = 0; at <= end; at += step) {
      const other = signed[at] === '0' ? '1' : '0';
      expect(reasonOf(signed.slice(0, at) + other + signed.slice(at + 1))).not.toBe('consensus');
    }
  });

  test('when it is cut anywhere', () => {
    fc.assert(
      fc.property(fc.nat(signed.length - 1), (length) => {
        expect(reasonOf(signed.slice(0, length))).not.toBe('consensus');
      }),
    );
  });
});

function signedRaw(json: string): string {
  const text = `postern.consensus/v1\n${json}\n`;
  return formatNote({ text, signatures: [signText(text, authority1), signText(text, authority2)] });
}

test('what is no consensus is not written', () => {
  const wrong = { ...consensus, epoch: -1 } satisfies Consensus;
  expect(() => encodeConsensus(wrong)).toThrow(ProtocolError);
});
