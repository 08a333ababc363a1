import { composeReport, makeCarriage, openCarriage, readDsn, readReport } from '@postern/mail';
import {
  isWellFormed,
  mediaType,
  policyId,
  readAccountBody,
  readAccountHeader,
  readHeader,
  readMultipart,
  readPolicy,
  readStatus,
} from '@postern/mail/testing';
import { bytes, hold, latin1, type Target, utf8 } from '../target.ts';
import { joined, carriageParts as parts, random, words } from './letters.ts';

const carriage: Target = {
  name: 'carriage',
  maxBytes: 131_072,
  seeds: () => {
    const own = makeCarriage({ ...parts, tlsOptional: true });
    return [
      own,
      makeCarriage({ ...parts, account: 'alice@a.test' }),
      joined('Received: from x\r\n by y\r\n', own),
    ];
  },
  tokens: words,
  run(input) {
    const opened = openCarriage(input, 60);
    if (opened.kind === 'refused') return;
    hold(opened.bytes.length === 60, 'a carriage holds what was expected');
    if (opened.kind === 'carriage') hold(latin1(input).includes(opened.id), 'its id stands in it');
  },
};

const account: Target = {
  name: 'carriage-account',
  maxBytes: 131_072,
  seeds: () => [
    makeCarriage({ ...parts, account: 'alice@a.test' }),
    bytes(`${'QUJD'.repeat(15)}\r\nQUI=\r\n`),
  ],
  tokens: words,
  run(input) {
    const octets = Buffer.from(input);
    const header = readAccountHeader(octets);
    if (header !== undefined) hold(header.end <= input.length, 'a body begins inside');
    for (const length of [0, 47, 60]) readAccountBody(octets, length);
    isWellFormed(octets);
  },
};

const reportParts = {
  author: 'alice@a.test',
  domain: 'a.test',
  token: '0123456789abcdef'.repeat(2),
  action: 'failed',
  now: parts.now,
  random: parts.random,
} as const;
const report: Target = {
  name: 'dsn',
  maxBytes: 131_072,
  seeds: () => [
    composeReport({ ...reportParts, status: '5.1.1', finalRecipient: 'bob@b.test', diagnostic: '550 no' }),
    composeReport({ ...reportParts, sealed: { kind: 'sealed', data: random.bytes(40) } }),
    bytes(foreign),
  ],
  tokens: [
    '--b',
    '--b--',
    'Action: failed\r\n',
    'Status: 5.0.0\r\n',
    'message/rfc822',
    'Message-ID: <',
    ...words,
  ],
  run(input) {
    readReport(input);
    const dsn = readDsn(input);
    if (dsn.kind === 'dsn')
      hold(/^[ -~]{0,160}$/.test(dsn.diagnostic), 'a diagnostic is printable and short');
    const read = readMultipart(input);
    if (read.kind === 'parts') for (const part of read.parts) readStatus(part);
  },
};
const foreign = [
  'From: MAILER-DAEMON@b.test',
  'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
  '',
  '--b',
  '',
  'sorry',
  '--b',
  'Content-Type: message/delivery-status',
  '',
  'Reporting-MTA: dns; b.test',
  'Original-Envelope-Id: 0123456789abcdef0123456789abcdef',
  '',
  'Final-Recipient: rfc822; secure@b.test',
  'Action: failed',
  'Status: 5.1.1 (no such user)',
  'Diagnostic-Code: smtp; 550 5.1.1 no',
  '',
  '--b',
  'Content-Type: text/rfc822-headers',
  '',
  'Message-ID: <0123456789abcdef0123456789abcdef@a.test>',
  '',
  '--b--',
  '',
].join('\r\n');

const header: Target = {
  name: 'mail-header',
  maxBytes: 131_072,
  seeds: () => [
    bytes(foreign),
    bytes('A: b\n\tc\nD : e\n\nbody'),
    bytes('Content-Type: a/b; c="d\\"e"; f=g\r\n\r\n'),
  ],
  tokens: words,
  run(input) {
    const read = readHeader(Buffer.from(input), 0, 2_048);
    if (read === undefined) return;
    hold(read.end <= input.length, 'a header ends inside');
    hold(latin1(input).startsWith(read.fields.map(({ raw }) => raw).join('')), 'fields are what lies there');
    mediaType(read.fields);
  },
};

const policy: Target = {
  name: 'sts-policy',
  maxBytes: 131_072,
  seeds: () => [
    bytes('version: STSv1\r\nmode: enforce\r\nmx: mx.b.test\r\nmx: *.b.test\r\nmax_age: 604800\r\n'),
    bytes('v=STSv1; id=20260601;'),
  ],
  tokens: ['version: STSv1', 'mode: none', 'mode: testing', 'mx: *.', 'max_age: ', ...words],
  run(input) {
    policyId([latin1(input)]);
    policyId(latin1(input).split('\n'));
    const read = readPolicy(utf8(input));
    if (read !== undefined && read.mode !== 'none') hold(read.mx.length > 0, 'a policy names a server');
  },
};

export const mailTargets: readonly Target[] = [carriage, account, report, header, policy];
