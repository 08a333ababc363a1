import { describe, expect, test } from 'vitest';
import { chainTable, chainWays, wayName } from './chain-table.ts';
import type { Piece } from './evidence.ts';
import { chainOf, facts, leastPieces, telltale } from './example.ts';
import { createJudge } from './judge.ts';
import { kinds, type Party } from './table.ts';

describe.each(chainWays.map((way) => [wayName(way), way] as const))('%s', (_, way) => {
  const cast = chainOf(way);
  const { parties, mayKnow, surelyFound } = chainTable(way);
  const judge = createJudge({ cast, facts, published: [] });
  const planted = (party: Party, rest: Pick<Piece, 'how' | 'part'>, text: string): Piece => {
    return {
      party,
      owner: 'planted',
      where: 'somewhere',
      ...rest,
      bytes: Buffer.from(`before ${text} behind`),
    };
  };

  test('the least that is enough is enough', () => {
    expect(judge(leastPieces(cast))).toMatchObject({ ok: true, missed: [], violations: [] });
  });

  test.each(parties)('a leak planted at %s is seen', (party) => {
    for (const kind of kinds) {
      const leak = Buffer.from(telltale(kind)).toString('base64');
      const seen = (rest: Pick<Piece, 'how' | 'part'>): number =>
        judge([...leastPieces(cast), planted(party, rest, leak)]).violations.length;
      const may = mayKnow(party, kind);
      const wrong = [
        seen({ how: 'at rest' }),
        seen({ how: 'at rest', part: 'left' }),
        seen({ how: 'log' }),
        seen({ how: 'metrics' }),
        seen({ how: 'received' }),
        seen({ how: 'sent' }),
      ];
      const wanted = {
        yes: [0, 0, 0, 0, 0, 0],
        passes: [0, 1, 1, 1, 0, 0],
        told: [1, 1, 1, 1, 0, 1],
        no: [1, 1, 1, 1, 1, 1],
      };
      expect([kind, wrong]).toEqual([kind, wanted[may]]);
    }
  });

  test('without any one of its sources, or of what is there for sure, it is not passed', () => {
    const without = (isGone: (piece: Piece) => boolean) =>
      judge(leastPieces(cast).filter((piece) => !isGone(piece)));
    for (const { owner, how, part } of cast.sources) {
      const { ok } = without(
        (piece) => piece.owner === owner && piece.how === how && (part === undefined || piece.part === part),
      );
      expect([owner, how, part, ok]).toEqual([owner, how, part, false]);
    }
    for (const { party, kind, how, part } of surelyFound) {
      const { missed } = without(
        (piece) =>
          piece.party === party &&
          piece.how === how &&
          (part === undefined || piece.part === part) &&
          Buffer.from(piece.bytes).includes(telltale(kind)),
      );
      expect(missed).toContain(`${party}: ${kind} (${part === undefined ? how : `${how}; ${part}`})`);
    }
  });

  test('who has no row is not passed over', () => {
    const stranger = way.mode === 'direct' ? 'first mix' : 'other mixes';
    const { ok } = judge([...leastPieces(cast), planted(stranger, { how: 'log' }, 'nothing')]);
    expect(ok).toBe(false);
  });

  test('what must be found may be known', () => {
    for (const { party, kind } of surelyFound)
      expect([party, kind, mayKnow(party, kind)]).not.toContain('no');
  });
});
