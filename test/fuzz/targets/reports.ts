import { openReport as openMailed } from '@postern/client/testing';
import { composeReport, readReport } from '@postern/mail';
import { createSurb, generateMixKey, geometry, surbBytes } from '@postern/protocol/packet';
import {
  complaint,
  decodeReport,
  decodeReturnInfo,
  encodeReport,
  encodeReturnInfo,
  isComplaint,
  openReport,
  openReturnField,
  type Report,
  type ReturnInfo,
  sealReport,
  sealReturnField,
} from '@postern/protocol/report';
import { seeded } from '@postern/protocol/testing';
import { hold, sameBytes, type Target } from '../target.ts';
import { words } from './letters.ts';

const g = geometry({ suite: 1, hops: 1, routingBytes: 307, packetBytes: 6 + 1443 + 80 });
const random = seeded('fuzz reports');
const key = random.bytes(32);
const sample: Report = {
  action: 'failed',
  made: 3_600 * 490_000,
  status: '5.1.1',
  recipient: 'bob@b.test',
  diagnostic: '550 5.1.1 no such user',
};

const report: Target = {
  name: 'report',
  seeds: () => [
    encodeReport(sample),
    encodeReport({ ...sample, action: 'delayed', status: '4.0.0', diagnostic: '' }),
    sealReport(key, sample, random),
    complaint,
  ],
  tokens: ['5.1.1', '4.0.0', '@b.test'],
  maxBytes: 560,
  run(input) {
    const decoded = decodeReport(input);
    if (decoded.kind === 'report') sameBytes(encodeReport(decoded.report), input, 'a report');
    openReport(key, input);
    isComplaint(input);
  },
};

const infos: readonly ReturnInfo[] = [
  { kind: 'none' },
  { kind: 'surb', surb: random.bytes(surbBytes(g)) },
  { kind: 'domain', domain: 'a.test', token: random.bytes(16), key: random.bytes(32), expires: 3_600 },
];

const returnInfo: Target = {
  name: 'return-info',
  seeds: () => infos.map((info) => encodeReturnInfo(g, info)),
  tokens: ['a.test', '.', 'xn--'],
  run(input) {
    const decoded = decodeReturnInfo(g, input);
    if (decoded.kind !== 'refused') sameBytes(encodeReturnInfo(g, decoded), input, 'return information');
  },
};

const field: Target = {
  name: 'return-field',
  seeds: () => [
    sealReturnField(key, { domain: 'a.test', token: random.bytes(16), expires: 3_600 * 490_000 }, random),
  ],
  maxBytes: 400,
  run(input) {
    openReturnField(key, input);
  },
};

const { secrets } = createSurb(
  g,
  7,
  [{ nodeId: random.bytes(32), mixKey: generateMixKey(random).publicKey, delayMs: 0 }],
  { domain: 'a.test' },
  random,
);
const about = { token: '0123456789abcdef'.repeat(2), set: 'ab', messageId: '<x@a.test>', expires: 3_600 };
const records = [
  { ...about, secret: { kind: 'none' } },
  { ...about, secret: { kind: 'domain', key } },
  { ...about, secret: { kind: 'surb', secrets, geometry: g } },
] as const;
const mailedParts = {
  author: 'alice@a.test',
  domain: 'a.test',
  token: about.token,
  action: 'failed',
  now: new Date('2026-06-01T10:20:30Z'),
  random: (length: number) => random.bytes(length),
} as const;

/** As an author's program finds it in the mailbox, where anybody may have put it. */
const mailed: Target = {
  name: 'mailed-report',
  maxBytes: 131_072,
  seeds: () => [
    composeReport({ ...mailedParts, status: '5.1.1', finalRecipient: 'bob@b.test', diagnostic: '550 no' }),
    composeReport({ ...mailedParts, sealed: { kind: 'sealed', data: sealReport(key, sample, random) } }),
    composeReport({ ...mailedParts, sealed: { kind: 'reply', data: random.bytes(g.bodyBytes) } }),
  ],
  tokens: ['Action: delayed\r\n', 'Status: 4.0.0\r\n', ...words],
  run(input) {
    const mail = readReport(input);
    if (mail.kind !== 'report') return;
    for (const record of [undefined, ...records]) {
      const opened = openMailed(mail, record);
      if (opened.kind !== 'report') continue;
      hold(record !== undefined, 'a report is of something that is known');
      hold(opened.sealed === (mail.sealed !== undefined), 'one that came sealed says so, and no other');
      hold(/^[ -~]*$/.test(opened.diagnostic), 'a diagnostic is printable');
    }
  },
};

export const reportTargets: readonly Target[] = [report, returnInfo, field, mailed];
