import {
  composeReport,
  createDkimSigner,
  dkimRecord,
  formatMailbox,
  makeCarriage,
  openCarriage,
  parseMailbox,
  readDsn,
  readReport,
  verifyDkim,
} from '@postern/mail';
import {
  beginExchange,
  DataReader,
  isWellFormed,
  lineFault,
  mediaType,
  policyId,
  readAccountBody,
  readAccountHeader,
  readAddressCommand,
  readHandedOn,
  readHeader,
  readMultipart,
  readPolicy,
  readStatus,
  type Step,
  stuff,
  verb,
} from '@postern/mail/testing';
import { seeded } from '@postern/protocol/testing';
import { bytes, hold, latin1, sameBytes, type Target, utf8 } from '../target.ts';
import { dkimSecrets } from './keys.ts';

const random = seeded('fuzz mail');
const parts = {
  fromDomain: 'a.test',
  toDomain: 'b.test',
  bytes: random.bytes(60),
  now: new Date('2026-06-01T10:20:30Z'),
  random: (length: number) => random.bytes(length),
};
const words = [
  '\r\n',
  '\n',
  '\r',
  '\r\n ',
  ': ',
  '<',
  '>',
  '@',
  '"',
  ';',
  '=',
  '--',
  '\0',
  'Received: x\r\n',
];

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

const dkimKeys = [
  { selector: 'e', algorithm: 'ed25519-sha256', privateKey: dkimSecrets.ed25519 } as const,
  { selector: 'r', algorithm: 'rsa-sha256', privateKey: dkimSecrets.rsa } as const,
];
const records = new Map(dkimKeys.map((key) => [`${key.selector}._domainkey.a.test`, dkimRecord(key)]));

let signed: Uint8Array = new Uint8Array();

/** Signatures that anybody can write, over keys that the domain in them publishes. */
const dkim: Target = {
  name: 'dkim',
  maxBytes: 131_072,
  async seeds() {
    const message = makeCarriage(parts);
    const fields = createDkimSigner({ domain: 'a.test', keys: dkimKeys }).sign(message);
    signed = joined(fields, message);
    await verifyDkim(signed, { lookupTxt: async () => [], now: parts.now }); // the library is loaded with the first
    return [signed, joined(simpleSignature, message)];
  },
  tokens: [
    'DKIM-Signature: ',
    'v=1; ',
    'a=rsa-sha256; ',
    'c=simple/simple; ',
    'h=from:from; ',
    'l=0; ',
    'x=1; ',
    't=',
    'i=@a.test; ',
    'bh=',
    'b=',
    ...words,
  ],
  bounded: 30,
  async run(input) {
    let asked = 0;
    const lookupTxt = async (name: string): Promise<string[]> => {
      asked++;
      hold(
        name.endsWith('._domainkey.a.test') || !latin1(input).includes('@a.test'),
        'no other domain is asked',
      );
      const text = records.get(name);
      return text === undefined ? [] : [text];
    };
    const result = await verifyDkim(input, { lookupTxt, now: parts.now });
    if (result.kind === 'attested') hold(asked > 0, 'nothing is attested without a key');
  },
};
const simpleSignature = `DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=a.test; s=r; t=1; x=9999999999;\r\n h=from:to; bh=${'A'.repeat(43)}=; b=${'A'.repeat(342)}==\r\n`;

/** A key record of another domain, which is anybody's text. */
const dkimKeyText: Target = {
  name: 'dkim-record',
  maxBytes: 4_096,
  async seeds() {
    await dkim.seeds();
    return [...records.values(), 'v=DKIM1; t=y:s; k=rsa; n=note; p='].map((text) => bytes(text));
  },
  tokens: ['v=DKIM1; ', 'k=rsa; ', 'k=ed25519; ', 'p=', 't=y; ', 'h=sha1; ', 's=email; '],
  bounded: 30,
  async run(input) {
    const result = await verifyDkim(signed, { lookupTxt: async () => [latin1(input)], now: parts.now });
    if (result.kind === 'attested') hold(result.domain === 'a.test', 'only the author’s domain attests');
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

const command: Target = {
  name: 'smtp-command',
  seeds: () =>
    [
      'MAIL FROM:<secure@a.test> SIZE=100 BODY=8BITMIME',
      'RCPT TO:<"a b"@b.test> X',
      'AUTH PLAIN AGEAYg==',
      'AUTH LOGIN',
    ].map(bytes),
  tokens: [
    'MAIL FROM:<',
    'RCPT TO:<',
    '>',
    ' ',
    '=',
    '"',
    'REQUIRETLS',
    'SIZE=',
    'AUTH PLAIN ',
    'AUTH LOGIN',
  ],
  run(input) {
    const line = latin1(input);
    lineFault(Buffer.from(input));
    verb(Buffer.from(input));
    for (const [name, start] of [
      ['MAIL FROM', 'MAIL FROM:<'],
      ['RCPT TO', 'RCPT TO:<'],
    ] as const) {
      const read = readAddressCommand(name, line);
      if (read !== false)
        hold(
          line.toUpperCase().startsWith(start) && line.includes(read.address),
          'an address is what was sent',
        );
      readHandedOn(name, line);
    }
    const mailbox = parseMailbox(line);
    if (mailbox !== undefined)
      hold(parseMailbox(formatMailbox(mailbox)) !== undefined, 'a mailbox can be written');
  },
};

/** An AUTH command, and the lines that answer its challenges. */
const login: Target = {
  name: 'smtp-auth',
  seeds: () =>
    ['AUTH PLAIN AGEAYg==', 'AUTH PLAIN\nAGEAYg==', 'AUTH LOGIN\nYQ==\nYg==', 'AUTH LOGIN =\n*'].map(bytes),
  tokens: ['AUTH PLAIN', 'AUTH LOGIN', '\n', '=', '*', ' '],
  run(input) {
    const [first = '', ...answers] = latin1(input).split('\n');
    let step: Step = beginExchange(first);
    for (const answer of answers) if (step.kind === 'challenge') step = step.answer(answer);
    if (step.kind === 'login')
      hold(!/[\p{Cc}]/u.test(step.user + step.password), 'a login has no control characters');
  },
};

/** The data of a message however it is cut, and the same written for the next server. */
const data: Target = {
  name: 'smtp-data',
  maxBytes: 131_072,
  seeds: () => [
    bytes('A: b\r\n\r\n..dot\r\n.\r\n'),
    bytes('.\r\n'),
    bytes('x\n.\r\n'),
    bytes('line\r\n\r\n.\r\nQUIT\r\n'),
  ],
  tokens: ['\r\n.\r\n', '\n.\n', '\r.\r', '\n.\r\n', '\r\n.\n', '..', '\0', '\r\n'],
  run(input) {
    const whole = readData([Buffer.from(input)]);
    const cut = readData(Array.from(input, (octet) => Buffer.of(octet)));
    hold(whole.text === cut.text, 'data is the same however it is cut');
    const again = Buffer.concat([stuff(Buffer.from(input), true), Buffer.from('\r\n.\r\n')]);
    if (isWellFormed(Buffer.from(input)) && !/[^\r\n]{999}/.test(latin1(input))) {
      const read = readData([again]);
      hold(read.bytes !== undefined, 'what is sent ends where it should');
      sameBytes(read.bytes.subarray(0, input.length), input, 'dots are put in and taken off');
    }
  },
};

function readData(chunks: readonly Buffer[]): { text: string; bytes?: Uint8Array } {
  const reader = new DataReader(100_000);
  for (const [at, chunk] of chunks.entries()) {
    const rest = reader.take(chunk);
    if (rest === undefined) continue;
    const received = reader.end();
    const left = Buffer.concat([rest, ...chunks.slice(at + 1)]).toString('latin1');
    if (received.kind !== 'message') return { text: `${JSON.stringify(received)} ${left}` };
    return { text: `${received.bytes.toString('latin1')} ${left}`, bytes: received.bytes };
  }
  return { text: 'goes on' };
}

function joined(...pieces: readonly (string | Uint8Array)[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? bytes(piece) : piece))),
  );
}

export const mailTargets: readonly Target[] = [
  carriage,
  account,
  report,
  header,
  dkim,
  dkimKeyText,
  policy,
  command,
  login,
  data,
];
