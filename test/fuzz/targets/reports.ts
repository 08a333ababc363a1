import { geometry, surbBytes } from '@postern/protocol/packet';
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
import { sameBytes, type Target } from '../target.ts';

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

export const reportTargets: readonly Target[] = [report, returnInfo, field];
