import type { PolicyStore } from '@postern/mail';
import { formatZone, makeRecord } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { testAuthority } from '@postern/protocol/testing';
import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseNodeConfig } from '../src/index.ts';
import { createLookUps, type LookUps } from '../src/lookups.ts';
import { fakeClock, seeded, until } from './support.ts';

/** What a node that is a mix and a domain's gateway without a smarthost looks up. */
const startMs = Date.UTC(2033, 0, 1);
const clock = fakeClock(startMs);
const config = parseNodeConfig({
  name: 'gate.a.test',
  roles: ['mix', 'delivery'],
  data_dir: '/nowhere',
  smtp: { listen: '127.0.0.1:0', advertise: '127.0.0.1:0' },
  directory: {
    urls: ['http://127.0.0.1:1'],
    authorities: [testAuthority('authority.test').vkey],
  },
  delivery: { domain: 'a.test', maildir: '/nowhere/{local}', mailboxes: ['alice'] },
});
const never = new Promise<Answer>(() => undefined);

let lookUps: LookUps;
/** Names that were asked for. */
let asked: Set<string>;
/** Domains whose policy the kept ones were asked for, or given. */
let kept: string[];

beforeEach(async () => {
  const { certificate } = await generateDomainKey('b.test');
  const values = {
    tls: 'require',
    mix: true,
    maxBytes: 1_000_000,
    expires: startMs / 1_000 + 86_400,
  } as const;
  const record = makeRecord({ domain: 'b.test', certificate, ...values });
  const text = /_securemail\S* IN TXT (.+)/.exec(formatZone(record))?.[1]?.replace(/" "|"/g, '') ?? '';
  const answers: Partial<Record<string, object>> = {
    'TXT _securemail.b.test': { strings: [text] },
    OPENPGPKEY: { certificate: record.certificate },
    'MX b.test': { preference: 10, exchange: 'mx.b.test.' },
    'A mx.b.test': { address: '1.1.1.1' },
  };
  asked = new Set();
  const resolver = {
    async resolve(name: string, type: RecordType) {
      const plain = name.replace(/\.$/, '');
      asked.add(plain);
      if (plain.endsWith('.evil.test')) return never;
      const found = answers[`${type} ${plain}`] ?? answers[type];
      if (found === undefined) return { kind: 'none', secure: true, ttlSeconds: 60 };
      return { kind: 'found', secure: true, ttlSeconds: 60, records: [found] };
    },
  } as unknown as Resolver;
  kept = [];
  const policies: PolicyStore = {
    async get(domain) {
      kept.push(domain);
      return undefined;
    },
    set: async (domain) => void kept.push(domain),
  };
  lookUps = createLookUps(config, { clock, random: seeded('lookups'), resolver, policies });
});
afterEach(() => lookUps.close());

test('what a mix finds for an exit leaves no trace among the policies that are kept on disk', async () => {
  const { exits } = lookUps;
  await until(() => exits?.find('b.test').kind === 'found');
  expect(asked).toContain('_mta-sts.b.test');
  expect(kept).toEqual([]);
});

test('of what a gateway writes to for its domain they are kept', async () => {
  const { exchangers } = lookUps;
  await until(() => exchangers?.others.require.find('b.test').kind === 'found');
  expect(kept).toEqual(['b.test']);
});

test('domains of exits and reports whose name servers never answer make no author’s wait', async () => {
  const { exits, exchangers } = lookUps;
  const silent = Array.from({ length: 100 }, (_, at) => `d${at}.evil.test`);
  for (const domain of silent) {
    exits?.find(domain);
    exchangers?.others.require.find(domain);
    exchangers?.others.prefer.find(domain);
  }
  // Of the same zone: the line of others has no place for it.
  asked.clear();
  exchangers?.others.require.find('new.evil.test');
  expect(asked.size).toBe(0);
  exchangers?.authors.require.find('new.evil.test');
  expect(asked).toContain('new.evil.test');
});
