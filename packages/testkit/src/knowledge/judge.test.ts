import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { encodings } from '../adversary/encodings.ts';
import { byteFact } from '../adversary/facts.ts';
import { hows, type Part, type Piece } from './evidence.ts';
import { cast, facts, leastPieces, telltale } from './example.ts';
import { createJudge } from './judge.ts';
import { kinds, mayKnow, parties, surelyFound } from './table.ts';

const nodeId = byteFact('middle mix', 'node id', Buffer.from('8cfde12197965a9ac0ffee0123456789', 'hex'));
const judge = createJudge({ cast, facts: [...facts, nodeId], published: [] });

/** What the judge says of the least that is enough, and of a piece beside it. */
function judgedWith(piece: Pick<Piece, 'party' | 'how' | 'part'>, bytes: Uint8Array | string) {
  return judge([
    ...leastPieces(),
    { ...piece, owner: 'mix4.test', where: 'somewhere', bytes: Buffer.from(bytes) },
  ]);
}

test('the least that is enough is enough', () => {
  expect(judge(leastPieces())).toMatchObject({ ok: true, missed: [], violations: [] });
});

describe('a planted leak', () => {
  const forbidden = parties.flatMap((party) =>
    kinds.filter((kind) => mayKnow(party, kind) === 'no').map((kind) => [party, kind] as const),
  );
  test.each(forbidden)('at %s, the %s, is seen', (party, kind) => {
    const base64 = Buffer.from(telltale(kind)).toString('base64');
    const { ok, violations } = judgedWith({ party, how: 'at rest' }, `before ${base64} behind`);
    expect(ok).toBe(false);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(`${party}: ${kind}: ${kind} in somewhere (at rest; base64`);
    expect(violations[0]).toContain(`before ${base64.slice(0, 4)}`);
  });

  const parts: readonly (Part | undefined)[] = [undefined, 'spool', 'relays', 'fragments', 'message'];
  const places = hows.flatMap((how) =>
    (how === 'at rest' ? parts.slice(0, 4) : [undefined]).map((part) => ({
      how,
      ...(part === undefined ? {} : { part }),
    })),
  );
  const line = `X-Note: ${telltale('recipient mailbox')}, re "Grüße aus Zürich".\r\n`;
  test.each(places)('in $how $part, is seen in every encoding', (place) => {
    for (const [name, encode] of Object.entries(encodings)) {
      const { ok, violations, missed } = judgedWith({ party: 'other mixes', ...place }, encode(line));
      expect([name, ok, violations.length, missed]).toEqual([name, false, 1, []]);
      expect(violations[0]).toMatch(
        `other mixes: recipient mailbox: recipient mailbox in somewhere (${place.how}`,
      );
    }
  });

  test.each(places)('in $how $part, of bytes, is seen in every encoding', (place) => {
    const bytes = Buffer.from(nodeId.bytes);
    for (const text of [bytes, bytes.toString('hex'), bytes.toString('base64'), gzipSync(bytes)])
      expect(judgedWith({ party: 'other mixes', ...place }, text).violations).toHaveLength(1);
  });
});

test('what a party is told may be told it, and neither kept nor told further', () => {
  const told = (how: Piece['how']) =>
    judgedWith({ party: 'middle mix', how }, telltale('first mix')).violations.length;
  expect((['received', 'answered', 'sent', 'at rest', 'log', 'metrics'] as const).map(told)).toEqual([
    0, 0, 1, 1, 1, 1,
  ]);
});

test('what a party may know may stand anywhere', () => {
  expect(judgedWith({ party: 'author', how: 'at rest' }, telltale('content')).violations).toEqual([]);
});

describe('a search is not passed', () => {
  const without = (isGone: (piece: Piece) => boolean) =>
    judge(leastPieces().filter((piece) => !isGone(piece)));

  test('of nothing at all', () => {
    const { ok, missed, violations, searched } = judge([]);
    expect(violations).toEqual([]);
    expect(missed.length).toBeGreaterThan(surelyFound.length + 3 * cast.processes.length);
    expect([ok, searched.bytes, searched.waited]).toEqual([false, 0, []]);
  });

  test.each(surelyFound)(
    'in which $party does not have the $kind in $how $part',
    ({ party, kind, how, part }) => {
      const { ok, missed } = without(
        (piece) =>
          piece.party === party &&
          piece.how === how &&
          piece.part === part &&
          Buffer.from(piece.bytes).includes(telltale(kind)),
      );
      expect(ok).toBe(false);
      expect(missed).toContain(`${party}: ${kind} (${part === undefined ? how : `${how}; ${part}`})`);
    },
  );

  test('because the fact stands somewhere else', () => {
    const elsewhere = leastPieces().map((piece): Piece => {
      if (piece.how !== 'at rest') return piece;
      const { party, owner, where, bytes } = piece;
      return { party, owner, where, bytes, how: 'received' };
    });
    const { ok, missed } = judge(elsewhere);
    expect(ok).toBe(false);
    for (const { party, kind, how } of surelyFound.filter((one) => one.how === 'at rest'))
      expect(missed.some((one) => one.startsWith(`${party}: ${kind} (${how}`))).toBe(true);
  });

  test.each(
    cast.processes.flatMap((owner) =>
      (['at rest', 'log', 'metrics'] as const).map((how) => ({ owner, how })),
    ),
  )('without $how of $owner', ({ owner, how }) => {
    const gap = `${cast.nodeParty(owner)} ${owner}: nothing (${how})`;
    expect(without((piece) => piece.owner === owner && piece.how === how).missed).toContain(gap);
    const empty = leastPieces().map((piece) =>
      piece.owner === owner && piece.how === how ? { ...piece, bytes: Buffer.alloc(0) } : piece,
    );
    expect(judge(empty)).toMatchObject({ ok: false, missed: expect.arrayContaining([gap]) });
  });

  test.each([...cast.hops.flat(), cast.gateway])('when nothing waited at %s', (owner) => {
    const { ok, missed } = without(
      (piece) => piece.owner === owner && (piece.part === 'relays' || piece.part === 'fragments'),
    );
    expect(ok).toBe(false);
    const shelf = owner === cast.gateway ? 'fragments' : 'relays';
    expect(missed).toContain(`${cast.nodeParty(owner)} ${owner}: nothing (at rest; ${shelf})`);
  });

  test('of wires, homes and one configuration alone', () => {
    const { missed } = without(
      ({ party, how }) => how !== 'wire' && party !== 'author' && party !== 'recipient' && how !== 'received',
    );
    for (const how of ['at rest', 'log', 'metrics'])
      expect(missed.some((one) => one.includes(`(${how}`))).toBe(true);
  });
});

test('what must be found may be known', () => {
  for (const { party, kind } of surelyFound) expect([party, kind, mayKnow(party, kind)]).not.toContain('no');
});
