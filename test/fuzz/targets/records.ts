import { decodeRecord, findingOf, formatZone, makeRecord, parseZone } from '@postern/protocol/dns';
import { formatTags, parseTags } from '@postern/protocol/testing';
import { bytes, hold, latin1, type Target, utf8 } from '../target.ts';
import { domainKey } from './keys.ts';

const { certificate } = domainKey;
const expires = 1_900_000_000;
const now = 1_780_000_000;
const domain = 'b.test';
const record = makeRecord({ domain, certificate, tls: 'require', mix: true, maxBytes: 25_000_000, expires });

const text: Target = {
  name: 'dns-text',
  maxBytes: 131_072,
  seeds: () => [bytes(formatTags(record)), bytes(formatTags({ ...record, tls: 'prefer', mix: false }))],
  tokens: ['; ', '=', 'v=SM1', 'exp=', 'size=', 'tls=prefer', 'mix=no', '\t'],
  run(input) {
    parseTags(latin1(input));
    const decoded = decodeRecord({ domain, text: latin1(input), certificate, now });
    const evidence = { secure: true, ttlSeconds: 60 } as const;
    const finding = findingOf({
      domain,
      now,
      unsigned: 'refuse',
      text: { kind: 'found', ...evidence, records: [{ strings: [latin1(input)] }] },
      certificate: { kind: 'found', ...evidence, records: [{ certificate }] },
    });
    if (decoded.kind === 'refused') return;
    hold(decoded.record.expires > now, 'a record that holds has not expired');
    hold(parseTags(formatTags(decoded.record)).kind === 'tags', 'a record can be written');
    hold(finding.kind === 'record' || !latin1(input).startsWith('v=SM1;'), 'what decodes is found');
  },
};

const zone: Target = {
  name: 'dns-zone',
  maxBytes: 131_072,
  seeds: () => [bytes(formatZone(record))],
  tokens: [' IN TXT ', ' IN OPENPGPKEY ', '\n', '; comment\n', '" "', '3600 '],
  run(input) {
    const parsed = parseZone(utf8(input), now);
    if (parsed.kind === 'record')
      hold(parseZone(formatZone(parsed.record), now).kind === 'record', 'a zone can be written again');
  },
};

export const recordTargets: readonly Target[] = [text, zone];
