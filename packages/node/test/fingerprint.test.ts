import { formatZone, makeRecord } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { expect, test } from 'vitest';
import { createNames } from '../src/names.ts';
import { policiesInMemory } from '../src/policy-store.ts';
import { fakeClock, seeded } from './support.ts';

const startMs = Date.UTC(2033, 0, 1);

/** What is found where DNS says this of b.test; its records unless told otherwise. */
async function find(answers: { text?: Answer; secure?: boolean } = {}) {
  const { certificate } = await generateDomainKey('b.test');
  const expires = startMs / 1_000 + 86_400;
  const values = { tls: 'require', mix: true, maxBytes: 1_000_000, expires } as const;
  const record = makeRecord({ domain: 'b.test', certificate, ...values });
  const text = /_securemail\S* IN TXT (.+)/.exec(formatZone(record))?.[1]?.replace(/" "|"/g, '') ?? '';
  const resolver = {
    async resolve(_name: string, type: RecordType) {
      const common = { kind: 'found', secure: answers.secure ?? true, ttlSeconds: 60 };
      if (type === 'TXT') return answers.text ?? { ...common, records: [{ strings: [text] }] };
      return { ...common, records: [{ certificate: record.certificate }] };
    },
  } as unknown as Resolver;
  const names = createNames({
    clock: fakeClock(startMs),
    random: seeded('fingerprint'),
    resolver,
    ownNames: [],
    policies: policiesInMemory(),
    allowPrivate: false,
  });
  const found = names.findFingerprint('b.test', new AbortController().signal);
  return { found: await found, named: record.fingerprint };
}

test.each([true, false])(
  'the key that a domain’s records name is found, signed (%s) or not',
  async (secure) => {
    const { found, named } = await find({ secure });
    expect(found).toBe(named);
  },
);

test('records that are not there name none, and no answer is no word about them', async () => {
  expect((await find({ text: { kind: 'none', secure: true, ttlSeconds: 60 } })).found).toBeUndefined();
  await expect(find({ text: { kind: 'failed', reason: 'servfail' } })).rejects.toThrow('servfail');
});
