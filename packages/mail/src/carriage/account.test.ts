import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { makeCarriage } from './make.ts';
import { maxReceivedFields, maxTraceOctets, openCarriage } from './open.ts';
import { carriageLength } from './shape.ts';

const bytes = randomBytes(200);

function make(given: Partial<Parameters<typeof makeCarriage>[0]> = {}): string {
  const base = {
    fromDomain: 'p.test',
    account: 'alice@p.test',
    toDomain: 'b.test',
    bytes,
    now: new Date('2026-11-03T21:59:59.999Z'),
  };
  return Buffer.from(
    makeCarriage({ ...base, random: (length) => new Uint8Array(length).fill(0xab), ...given }),
  ).toString('latin1');
}

function open(message: string): ReturnType<typeof openCarriage> {
  return openCarriage(Buffer.from(message, 'latin1'), bytes.length);
}

const made = make();
const opened = { kind: 'account', bytes, toDomain: 'b.test', tlsOptional: false };
const body = made.slice(made.indexOf('\r\n\r\n') + 4);

/** The header's field of that name as this text, or nothing. */
function withField(name: string, line: string): string {
  return made.replace(new RegExp(`^${name}: .*\r\n`, 'm'), line === '' ? '' : `${line}\r\n`);
}

function wrapped(width: number): string {
  const text = body.replaceAll('\r\n', '');
  const lines = text.match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
  return made.replace(body, lines.map((line) => `${line}\r\n`).join(''));
}

test('one carriage from an account, octet for octet, and opened', () => {
  expect(made.slice(0, made.indexOf('Padding'))).toBe(
    [
      'From: <alice@p.test>',
      'To: <secure@b.test>',
      'Date: Tue, 03 Nov 2026 21:00:00 +0000',
      'Message-ID: <abababababababababababababababab@p.test>',
      'MIME-Version: 1.0',
      'Content-Type: application/octet-stream',
      'Content-Transfer-Encoding: base64',
      '',
    ].join('\r\n'),
  );
  expect(open(made)).toEqual(opened);
});

test('spec carriage 6.5: all have one length, whoever they are from and to', () => {
  const longest = `${'d'.repeat(63)}.`.repeat(3) + 'd'.repeat(61);
  const others = [
    make({ account: `${'l'.repeat(64)}@${longest}`, fromDomain: longest, toDomain: longest }),
    make({ account: 'a@b', fromDomain: 'b', toDomain: 'c' }),
    make({ bytes: randomBytes(200) }),
  ];
  for (const other of others) {
    expect(other.length).toBe(carriageLength(bytes.length) + 58);
    expect(other).toMatch(/^Padding: x+\r$/m);
  }
});

test.each(['secure@p.test', 'Secure@p.test', 'alice@a.test', 'alice', 'a b@p.test'])(
  'the account %s is refused',
  (account) => {
    expect(() => make({ account })).toThrow(expect.objectContaining({ code: 'bad-options' }));
  },
);

describe('what providers do to it', () => {
  const reordered = (): string => {
    const [header = ''] = made.split('\r\n\r\n');
    return `${header.split('\r\n').reverse().join('\r\n')}\r\n\r\n${body}`;
  };
  test.each([
    ['another Message-ID', withField('Message-ID', 'Message-ID: <CAFx=+1@mail.p.test>')],
    ['another date', withField('Date', 'Date: Tue, 3 Nov 2026 22:13:07 +0100 (CET)')],
    ['no date and no Message-ID', withField('Date', '').replace(/^Message-ID: .*\r\n/m, '')],
    ['fields in another order', reordered()],
    ['a name in front of the mailbox', withField('From', 'From: "Alice Liddell" <alice@p.test>')],
    ['a bare mailbox', withField('From', 'From: alice@P.TEST')],
    ['another spelling of To', withField('To', 'To: secure@b.test')],
    ['a subject', withField('To', 'To: <secure@b.test>\r\nSubject: ')],
    [
      'a name for the bytes',
      withField('Content-Type', 'Content-Type: application/octet-stream;\r\n\tname="a.bin"'),
    ],
    ['no padding', withField('Padding', '')],
    ['base64 in lines of 72', wrapped(72)],
    ['base64 in lines of 64', wrapped(64)],
    ['an empty line behind it', `${made}\r\n`],
    [
      'a trace above and below, as Gmail has it',
      [
        'Return-Path: <alice@p.test>',
        'Received: from gw (gw. [192.0.2.7])',
        '        by smtp.p.test with ESMTPSA id 5b1f17b1804b1; Tue, 03 Nov 2026 14:00:00 -0800 (PST)',
        'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=p.test; s=20230601;',
        ' h=to:from; bh=AAAA; b=BBBB',
        'X-Google-DKIM-Signature: v=1; a=rsa-sha256; d=1e100.net',
        'X-Gm-Message-State: AOJu0Y',
        `${withField('Padding', 'X-Google-Smtp-Source: AGHT+IE\r\nSender: alice@p.test\r\nPadding: xx')}`,
      ].join('\r\n'),
    ],
    [
      'what Exchange adds',
      withField(
        'To',
        'Thread-Topic: a\r\nThread-Index: b\r\nAccept-Language: en-US\r\nContent-Language: en-US\r\nmsip_labels:\r\nTo: <secure@b.test>',
      ),
    ],
  ])('%s', (_, message) => {
    expect(open(message)).toEqual(opened);
  });

  test('TLS-Required counts as on top of any carriage', () => {
    expect(open(make({ tlsOptional: true }))).toEqual({ ...opened, tlsOptional: true });
    expect(open(withField('To', 'To: <secure@b.test>\r\nTLS-Required: No'))).toMatchObject({
      tlsOptional: true,
    });
    expect(open(`TLS-Required: No\r\nTLS-Required: No\r\n${made}`)).toMatchObject({ tlsOptional: false });
  });
});

describe('refused', () => {
  test.each([
    ['two From', withField('From', 'From: <alice@p.test>\r\nFrom: <bob@p.test>')],
    ['two mailboxes in From', withField('From', 'From: <alice@p.test>, <bob@p.test>')],
    ['a group in From', withField('From', 'From: us: alice@p.test;')],
    ['no From', withField('From', '')],
    ['a secure mailbox, written otherwise', withField('From', 'From: Secure <SECURE@p.test>')],
    ['a secure mailbox in the account’s form', withField('From', 'From: secure@p.test')],
    ['two To', withField('To', 'To: <secure@b.test>\r\nTo: <secure@c.test>')],
    ['To somebody else', withField('To', 'To: <bob@b.test>')],
    ['To two', withField('To', 'To: <secure@b.test>, <bob@b.test>')],
    ['To SECURE', withField('To', 'To: <SECURE@b.test>')],
    ['Cc', withField('To', 'To: <secure@b.test>\r\nCc: bob@b.test')],
    ['Bcc', withField('To', 'To: <secure@b.test>\r\nBcc: bob@b.test')],
    ['a mailing list', withField('To', 'To: <secure@b.test>\r\nList-Id: <l.test>')],
    ['what was sent again', withField('To', 'To: <secure@b.test>\r\nResent-From: <x@y.test>')],
    ['two subjects', withField('To', 'To: <secure@b.test>\r\nSubject: a\r\nSubject: b')],
    ['two encodings', withField('MIME-Version', 'MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit')],
    [
      'another encoding',
      withField('Content-Transfer-Encoding', 'Content-Transfer-Encoding: quoted-printable'),
    ],
    ['no encoding', withField('Content-Transfer-Encoding', '')],
    ['another type', withField('Content-Type', 'Content-Type: text/plain')],
    ['several parts', withField('Content-Type', 'Content-Type: multipart/mixed; boundary=b')],
    ['another version of MIME', withField('MIME-Version', 'MIME-Version: 2.0')],
    ['a padding of other letters', withField('Padding', 'Padding: xxaliceXX')],
    ['white space before a colon', withField('From', 'From : <alice@p.test>')],
    ['LF alone', made.replaceAll('\r\n', '\n')],
    ['an octet above 127', withField('To', 'To: <secure@b.test>\r\nSubject: caf\xe9')],
    ['NUL', withField('To', 'To: <secure@b.test>\r\nSubject: a\0b')],
    ['a header without end', made.slice(0, made.indexOf('\r\n\r\n') + 2)],
    [
      'a header too long',
      withField('To', `To: <secure@b.test>\r\nX-a: ${'b\r\n '.repeat(maxTraceOctets / 3)}`),
    ],
    ['base64 in uneven lines', made.replace(body, body.replace(/^.{4}/, '$&\r\n'))],
    ['base64 in lines of 40', wrapped(40)],
    ['base64 in one line', wrapped(1_000)],
    ['more behind it', `${made}This message was scanned.\r\n`],
    ['an empty line within', made.replace(body, body.replace('\r\n', '\r\n\r\n'))],
    ['more bytes', make({ bytes: randomBytes(201) })],
    ['fewer bytes', make({ bytes: randomBytes(199) })],
    ['no body', made.slice(0, made.indexOf('\r\n\r\n') + 4)],
  ])('%s', (_, message) => {
    expect(open(message).kind).toBe('refused');
  });

  test('what goes round in circles', () => {
    const received = (count: number): string => 'Received: by x\r\n'.repeat(count) + made;
    expect(open(received(maxReceivedFields))).toEqual(opened);
    expect(open(received(maxReceivedFields + 1))).toEqual({ kind: 'refused', reason: 'loop' });
  });
});

test('one from a secure mailbox is never one from an account, whichever field is changed', () => {
  const own = make({ account: undefined as never });
  expect(open(own).kind).toBe('carriage');
  expect(open(own.replace('Date: ', 'Subject: \r\nDate: '))).toEqual({ kind: 'refused', reason: 'header' });
});
