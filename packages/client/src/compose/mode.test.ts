import type { Consensus } from '@postern/protocol/consensus';
import type { DomainRecord } from '@postern/protocol/dns';
import { describe, expect, test } from 'vitest';
import type { FoundRecord } from '../domains/index.ts';
import { type ModeDeps, travelTo, unreached } from './mode.ts';

const nobody = { nodes: [] as Consensus['nodes'] } as Consensus;

function found(vouchedBy: FoundRecord['vouchedBy'], mix = true): FoundRecord {
  return {
    kind: 'record',
    record: { domain: 'b.test', mix, tls: 'require' } as DomainRecord,
    vouchedBy,
    from: 'dns',
  };
}

function deps(mode: ModeDeps['mode']): ModeDeps {
  return { mode, modeAsked: true, tls: 'require', gateway: true, account: false, consensus: nobody };
}

describe('a domain that no gateway of the consensus serves', () => {
  test('is reached through mixes when DNSSEC proves its record', () => {
    expect(unreached(found('dnssec'), deps('mix'))).toEqual([]);
    for (const mode of ['mix', 'auto'] as const)
      expect(travelTo(found('dnssec'), deps(mode))).toMatchObject({ travel: { mode: 'mix' } });
  });

  test.each(['pinned', 'first-use'] as const)(
    'is not when its record is %s: a mix would not find it',
    (by) => {
      expect(unreached(found(by), deps('mix'))).toMatchObject([{ code: 'domain-not-served' }]);
      expect(travelTo(found(by), deps('auto'))).toMatchObject({ travel: { mode: 'direct' } });
    },
  );

  test('can be reached again by forgetting a record that is pinned, which the hint says', () => {
    const forget = 'postern domain remove b.test';
    expect(unreached(found('pinned'), deps('mix'))).toMatchObject([
      { hint: expect.stringContaining(forget) },
    ]);
    expect(unreached(found('first-use'), deps('mix'))).toMatchObject([
      { hint: expect.not.stringContaining(forget) },
    ]);
  });

  test('is not when it takes nothing through mixes', () => {
    expect(travelTo(found('dnssec', false), deps('mix'))).toMatchObject({
      problem: { code: 'domain-takes-no-mix' },
    });
    expect(travelTo(found('dnssec', false), deps('auto'))).toMatchObject({ travel: { mode: 'direct' } });
  });
});
