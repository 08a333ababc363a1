import { generateDomainKey } from '@postern/protocol/envelope';
import { defaultGeometry } from '@postern/protocol/packet';
import { encodeReturnInfo } from '@postern/protocol/report';
import { systemClock, systemRandom } from '@postern/runtime';
import { describe, expect, test } from 'vitest';
import { createReporter, type Reported } from './report.ts';

/** What becomes of a failure whose author asked for reports to a.test. */
async function report(attestation: string, tls: 'require' | 'prefer' = 'require'): Promise<Reported> {
  const { certificate } = await generateDomainKey('a.test');
  const reporter = createReporter({
    clock: systemClock,
    random: systemRandom,
    geometry: defaultGeometry,
    epochSeconds: 3_600,
    expiryMs: 86_400_000,
    findDomain: async () => ({ kind: 'record', record: { certificate, tls } }),
  });
  const info = {
    kind: 'domain',
    domain: 'a.test',
    token: systemRandom.bytes(16),
    key: systemRandom.bytes(32),
    expires: 0,
  } as const;
  const fragment = {
    recipient: 'bob@b.test',
    setId: systemRandom.bytes(16),
    index: 0,
    k: 1,
    n: 1,
    totalBytes: 1,
    expires: Math.ceil(systemClock.now() / 3_600_000 + 24) * 3_600,
    returnInfo: encodeReturnInfo(defaultGeometry, info),
    attestation: Buffer.from(attestation),
    data: new Uint8Array(1),
  };
  return reporter(fragment, { status: '5.1.1' }, new AbortController().signal);
}

describe('B5 whose author may be told of a mailbox that is not there', () => {
  test('spec report 2.2: the recipient’s domain answers for a report, and the author’s says how it may travel', async () => {
    const next = { kind: 'domain', domain: 'a.test', own: true };
    expect(await report('a.test')).toMatchObject({ kind: 'report', relay: { next } });
    expect(await report('a.test', 'prefer')).toMatchObject({
      relay: { next: { ...next, tlsOptional: true } },
    });
  });

  test.each(['', 'c.test'])('spec report 2.2: none to a domain that %j attests', async (attested) => {
    expect(await report(attested)).toEqual({ kind: 'none' });
  });
});
