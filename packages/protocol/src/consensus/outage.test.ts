import { describe, expect, test } from 'vitest';
import { encodeJson } from '../codec/json.ts';
import { formatNote, signText } from '../codec/note.ts';
import { testAuthority } from '../testing/authority.ts';
import { authority2, now } from '../testing/network.ts';
import { maxNodes, maxOutageLength, type Outage } from './documents.ts';
import { nodesOut, type OutageReader, signOutage, verifyOutage } from './outage.ts';

const authority1 = testAuthority('authority1.test', {
  now,
  change: { validAfter: now - 600, validUntil: now + 600 },
});
const id = (at: number): string => at.toString(16).padStart(64, '0');
const outage: Outage = { version: 1, epoch: 7, authority: authority1.name, at: now, down: [id(1), id(2)] };
const reader: OutageReader = {
  authorities: [authority1.key, authority2.key],
  signingKeys: [authority1.signingKey, authority2.signingKey],
};

function signedAnyway(value: unknown, origin = 'postern.outage/v1'): string {
  const text = `${origin}\n${encodeJson(value)}\n`;
  return formatNote({ text, signatures: [signText(text, authority1)] });
}

test('gives what was signed, as long as a notice can be', () => {
  const all = Array.from({ length: maxNodes }, (_, at) => id(at));
  for (const one of [outage, { ...outage, down: [] }, { ...outage, down: all }])
    expect(verifyOutage(signOutage(one, authority1), reader)).toEqual({ kind: 'outage', outage: one });
});

const signed = signOutage(outage, authority1);
const { validAfter, validUntil } = authority1.signingKey;
test.each([
  ['too-few-signatures', signOutage(outage, authority2)],
  ['too-few-signatures', signOutage({ ...outage, at: validAfter - 1 }, authority1)],
  ['too-few-signatures', signOutage({ ...outage, at: validUntil }, authority1)],
  ['bad-signature', signed.replace(`"epoch":7`, `"epoch":8`)],
  ['unknown-version', signedAnyway(outage, 'postern.outage/v2')],
  ['malformed', signedAnyway({ ...outage, down: [id(2), id(1)] })],
  ['malformed', signedAnyway({ ...outage, down: [id(1), id(1)] })],
  ['malformed', signedAnyway({ ...outage, more: 1 })],
  ['malformed', 'x'],
  ['malformed', `${signed}${signed.slice(signed.lastIndexOf('\u2014'))}`],
  ['malformed', `${signed}${signOutage(outage, authority2).slice(signed.lastIndexOf('\u2014'))}`],
  ['oversized', 'x'.repeat(maxOutageLength + 1)],
])('%s', (reason, text) => {
  expect(verifyOutage(text, reader)).toMatchObject({ kind: 'refused', reason });
});

test('says when it is a certificate that is missing', () => {
  const without = { ...reader, signingKeys: [authority2.signingKey] };
  expect(verifyOutage(signed, without)).toMatchObject({ uncertified: [authority1.name] });
});

describe('a mix is out', () => {
  const says = (authority: string, down: number[], change: Partial<Outage> = {}): Outage => ({
    ...outage,
    authority,
    down: down.map(id),
    ...change,
  });
  const at = { epoch: 7, now, threshold: 2 };

  test('when as many authorities as sign a consensus have not reached it', () => {
    const notices = [says('a', [1, 2]), says('b', [2, 3]), says('c', [4])];
    expect(nodesOut(notices, at)).toEqual([id(2)]);
    expect(nodesOut(notices, { ...at, threshold: 1 })).toEqual([1, 2, 3, 4].map(id));
    expect(nodesOut(notices, { ...at, threshold: 3 })).toEqual([]);
    expect(nodesOut([], at)).toEqual([]);
  });

  test('not because one authority says so twice, and by its newest notice', () => {
    const again = says('a', [1], { at: now - 1 });
    expect(nodesOut([says('a', [1]), again], at)).toEqual([]);
    expect(nodesOut([again, says('a', [2]), says('b', [1, 2])], at)).toEqual([id(2)]);
    expect(nodesOut([says('a', [2]), again, says('b', [1, 2])], at)).toEqual([id(2)]);
  });

  test.each([
    ['of another epoch', { epoch: 8 }, false],
    ['ten minutes old', { at: now - 600 }, false],
    ['a second younger', { at: now - 599 }, true],
    ['of a clock that is a minute ahead', { at: now + 60 }, true],
    ['of one that is further ahead', { at: now + 61 }, false],
  ])('by a notice %s: %j %s', (_, change, counts) => {
    expect(nodesOut([says('a', [1]), says('b', [1], change)], at)).toEqual(counts ? [id(1)] : []);
  });
});
