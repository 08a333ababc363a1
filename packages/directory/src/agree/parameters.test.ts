import { parseNote } from '@postern/protocol/codec';
import {
  type AuthorityKey,
  formatAuthorityKey,
  joinSignatures,
  maxParametersLength,
  signParameters,
  verifyParameters,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { type TestAuthority, testAuthority } from '@postern/protocol/testing';
import { describe, expect, test } from 'vitest';
import { createAlarms } from '../alarms.ts';
import type { Answer } from '../ask.ts';
import { keepingLog } from '../testing/log.ts';
import { readAuthorities, tellAuthorities } from './authorities.ts';
import type { Members } from './members.ts';
import { shareParameters } from './parameters.ts';
import type { Peers } from './peers.ts';

const now = 1_900_000_000;
const month = 30 * 86_400;
/** The keys of an authority, each for a month after the one before. */
const keysOf = (name: string): TestAuthority[] =>
  [0, 1].map((at) =>
    testAuthority(name, {
      generation: at + 1,
      change: { validAfter: now + at * month, validUntil: now + (at + 1) * month },
    }),
  );
const [one, two, three] = ['one.test', 'two.test', 'three.test'].map(keysOf) as [
  TestAuthority[],
  TestAuthority[],
  TestAuthority[],
];
const all = [one, two, three];
const signedBy = (signers: readonly (TestAuthority | undefined)[], meanDelayMs = 200): string =>
  signParameters(
    { version: 1, epochSeconds: 3_600, meanDelayMs, geometry: writeGeometry(defaultGeometry) },
    signers.filter((signer) => signer !== undefined),
  );

/** What one.test serves of what two.test and three.test say, who tell by whom they go or do not. */
function open(
  said: Record<string, string | undefined>,
  at: { seconds: number },
  told: Record<string, string | undefined> = {},
) {
  const own = one.map((key) => signedBy([key]));
  const members = {
    threshold: 2,
    authorities: all.map(([first]) => (first as TestAuthority).key),
    signingKeys: all.flat().map(({ signingKey }) => signingKey),
  } as unknown as Members;
  const peers = {
    names: Object.keys(said),
    ask: async (name: string, path: string): Promise<Answer> => {
      if (path === '/v1/agreement/authorities' && !Object.hasOwn(told, name))
        return { kind: 'answer', status: 404, text: '', date: undefined };
      const text = (path === '/v1/parameters' ? said : told)[name];
      return text === undefined
        ? { kind: 'unreachable', why: 'is gone' }
        : { kind: 'answer', status: 200, text, date: undefined };
    },
  } as unknown as Peers;
  const alarms = createAlarms(keepingLog([]).log);
  const shared = shareParameters(
    () => own[Math.floor((at.seconds - now) / month)],
    members,
    () => at.seconds * 1_000,
  );
  return {
    shared,
    alarms,
    collect: () => shared.collect(peers, alarms),
    names: () => parseNote(shared.signed ?? '', maxParametersLength)?.signatures.map(({ name }) => name),
  };
}

describe('parameters', () => {
  test('bear the signatures of all who say the same, and are complete with as many as readers ask for', async () => {
    const said: Record<string, string | undefined> = { 'two.test': undefined, 'three.test': undefined };
    const { shared, collect, names } = open(said, { seconds: now });
    await collect();
    expect(names()).toEqual(['one.test']);
    expect(shared.isComplete).toBe(false);
    said['two.test'] = signedBy([two[0], three[0]]);
    await collect();
    expect(names()).toEqual(['one.test', 'two.test', 'three.test']);
    expect(shared.isComplete).toBe(true);
    const reader = {
      authorities: all.map(([first]) => (first as TestAuthority).key),
      signingKeys: all.flat().map(({ signingKey }) => signingKey),
      threshold: 3,
      now,
    };
    expect(verifyParameters(shared.signed ?? '', reader)).toMatchObject({ kind: 'parameters' });
  });

  test('of one who says something else raise an alarm, until it says the same', async () => {
    const said: Record<string, string | undefined> = { 'two.test': signedBy([two[0]], 300) };
    const { alarms, collect, names } = open(said, { seconds: now });
    await collect();
    expect(names()).toEqual(['one.test']);
    expect(alarms.standing).toMatchObject([{ kind: 'other-parameters', about: 'two.test' }]);
    said['two.test'] = signedBy([two[0]]);
    await collect();
    expect(alarms.standing).toEqual([]);
    expect(names()).toEqual(['one.test', 'two.test']);
  });

  test('of one who goes by other authorities, or another threshold, raise it too, and say in what they differ', async () => {
    const [first, second, third] = all.map(([key]) => (key as TestAuthority).key) as [
      AuthorityKey,
      AuthorityKey,
      AuthorityKey,
    ];
    const told: Record<string, string | undefined> = {};
    const tell = (authorities: readonly AuthorityKey[], threshold: number): void => {
      told['two.test'] = JSON.stringify(tellAuthorities({ authorities, threshold }));
    };
    const said: Record<string, string | undefined> = { 'two.test': signedBy([two[0]]) };
    const { alarms, collect, names } = open(said, { seconds: now }, told);
    const whyAfter = async (): Promise<string[]> => {
      await collect();
      return alarms.standing.map(({ kind, about, why }) => `${kind} ${about}: ${why}`);
    };
    const start = (key: AuthorityKey): string =>
      /^[^+]+\+[0-9a-f]{8}/.exec(formatAuthorityKey(key))?.[0] ?? '';
    expect(await whyAfter()).toEqual([]);
    tell([first, second], 2);
    expect(await whyAfter()).toEqual([`other-parameters two.test: its authorities lack ${start(third)}`]);
    // signatures under the same parameters count all the same
    expect(names()).toEqual(['one.test', 'two.test']);
    const stranger = { ...third, identity: new Uint8Array(32) };
    tell([stranger, second, first], 3);
    const both = `its authorities lack ${start(third)}; its authorities have ${start(stranger)} besides`;
    expect(await whyAfter()).toEqual([`other-parameters two.test: ${both}; its threshold is 3, and 2 here`]);
    // who does not say it now has not said that it is another one now
    told['two.test'] = undefined;
    expect(await whyAfter()).toHaveLength(1);
    said['two.test'] = signedBy([two[0]], 300);
    tell([first, second, third], 3);
    expect(await whyAfter()).toEqual([
      'other-parameters two.test: its epoch length, geometry or mean delay is another one; its threshold is 3, and 2 here',
    ]);
    said['two.test'] = signedBy([two[0]]);
    expect(await whyAfter()).toEqual(['other-parameters two.test: its threshold is 3, and 2 here']);
    tell([third, first, second], 2);
    expect(await whyAfter()).toEqual([]);
    for (const text of [
      '',
      '{}',
      '{"authorities":["x"],"threshold":2}',
      '{"authorities":[],"threshold":"2"}',
    ])
      expect(readAuthorities(text)).toBeUndefined();
  });

  test('lose the signatures of keys whose time is over, and keep those of one who is silent for a while', async () => {
    const said: Record<string, string | undefined> = {
      'two.test': signedBy([two[0]]),
      'three.test': signedBy([three[0]]),
    };
    const at = { seconds: now };
    const { shared, collect } = open(said, at);
    const keys = () =>
      parseNote(shared.signed ?? '', maxParametersLength)?.signatures.map(({ keyId }) => keyId);
    await collect();
    expect(keys()).toEqual([one[0], two[0], three[0]].map((key) => key?.keyId));
    said['two.test'] = undefined;
    await collect();
    expect(keys()).toEqual([one[0], two[0], three[0]].map((key) => key?.keyId));
    at.seconds += month;
    said['three.test'] = signedBy([three[0], three[1]]);
    await collect();
    expect(keys()).toEqual([one[1], three[1]].map((key) => key?.keyId));
  });
});

test('parameters are joined under signatures that hold, one of each authority', () => {
  const change = { validAfter: now, validUntil: now + month };
  const keys = [3, 4, 5].map((generation) => testAuthority('two.test', { generation, change }));
  const signed = signedBy([one[0]]);
  const bad = signedBy(keys).replace(/(?<=\n\u2014 two\.test .{200})./u, (letter) =>
    letter === 'A' ? 'B' : 'A',
  );
  const signingKeys = [one[0], ...keys].flatMap((key) => key?.signingKey ?? []);
  const joined = joinSignatures(signed, bad, { signingKeys, at: now, maxLength: maxParametersLength });
  const note = parseNote(joined ?? '', maxParametersLength);
  expect(note?.signatures.map(({ keyId }) => keyId)).toEqual([one[0]?.keyId, keys[1]?.keyId]);
});
