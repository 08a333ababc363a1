import { randomBytes } from 'node:crypto';
import { composeReport, type ReportParts, readDsn, readReport } from '@postern/mail';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const token = '00112233445566778899aabbccddeeff';
const base: ReportParts = {
  author: 'alice@a.test',
  domain: 'a.test',
  token,
  action: 'failed',
  now: new Date('2026-11-03T21:59:59.999Z'),
  random: (length) => new Uint8Array(length).fill(0xab),
};
const own: ReportParts = {
  ...base,
  status: '5.1.1',
  finalRecipient: 'secure@b.test',
  diagnostic: '550 5.1.1 no such user',
};
const sealed: ReportParts = { ...base, sealed: { kind: 'sealed', data: randomBytes(540) } };

function compose(parts: ReportParts): string {
  return Buffer.from(composeReport(parts)).toString('latin1');
}

test('spec report 4: one mail, octet for octet', () => {
  expect(
    compose({ ...own, text: ['one', 'two'], sealed: { kind: 'reply', data: Uint8Array.of(1, 2, 3) } }).split(
      '\r\n',
    ),
  ).toEqual([
    'From: Postern <postmaster@a.test>',
    'To: <alice@a.test>',
    'Subject: Your message was not delivered',
    'Date: Tue, 03 Nov 2026 21:00:00 +0000',
    `Message-ID: <${'ab'.repeat(16)}@a.test>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status;',
    '\tboundary="=_postern_report"',
    '',
    '--=_postern_report',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    'one',
    'two',
    '',
    '--=_postern_report',
    'Content-Type: message/delivery-status',
    '',
    `Original-Envelope-Id: ${token}`,
    'Reporting-MTA: dns; a.test',
    '',
    'Final-Recipient: rfc822; secure@b.test',
    'Action: failed',
    'Status: 5.1.1',
    'Diagnostic-Code: smtp; 550 5.1.1 no such user',
    '',
    '--=_postern_report',
    'Content-Type: application/vnd.postern.report',
    'Content-Transfer-Encoding: base64',
    '',
    'AgECAw==',
    '--=_postern_report--',
    '',
  ]);
});

describe('the text for people', () => {
  const text = (parts: ReportParts): string =>
    /charset=us-ascii\r\n\r\n([\s\S]*?)\r\n--=/.exec(compose(parts))?.[1] ?? '';

  test('says what happened, why, and what to do', () => {
    for (const parts of [own, sealed, { ...own, action: 'delayed', status: '4.4.1' } as const]) {
      expect(text(parts)).toContain('postern open');
      expect(
        text(parts)
          .split('\r\n')
          .every((line) => line.length < 79),
      ).toBe(true);
    }
    expect(text(own)).toContain('could not be delivered');
    expect(text(own)).toContain('secure@b.test');
    expect(text(own)).toContain('550 5.1.1 no such user');
    expect(text({ ...own, action: 'delayed' })).toContain('tried again');
  });

  test('names nobody whom the gateway does not know', () => {
    const { finalRecipient: _, ...unknown } = own;
    expect(text(unknown)).toContain('did not get past a mail server');
    expect(text(unknown)).not.toContain('@');
  });

  test('may be another', () => {
    expect(text({ ...own, text: ['one', '', ' two'] })).toBe('one\r\n\r\n two\r\n');
  });

  test('of a sealed report it names no mailbox', () => {
    expect(text(sealed)).not.toContain('@');
    expect(compose(sealed)).toContain('Final-Recipient: rfc822; undisclosed@postern.invalid\r\n');
    expect(compose(sealed)).toContain('Status: 5.0.0\r\n');
  });
});

describe('what is composed', () => {
  const mailbox = fc.constantFrom('alice@a.test', `${'l'.repeat(64)}@${'d'.repeat(63)}.test`);
  const parts: fc.Arbitrary<ReportParts> = fc.record(
    {
      author: mailbox,
      domain: fc.constantFrom('a.test', `${'d'.repeat(63)}.${'d'.repeat(63)}.test`),
      token: fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((bytes) => Buffer.from(bytes).toString('hex')),
      action: fc.constantFrom('failed', 'delayed'),
      now: fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
      random: fc.constant(base.random),
      status: fc.constantFrom('5.1.1', '4.999.999'),
      finalRecipient: mailbox,
      diagnostic: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('x\r\n--=_postern_report\r\n', 'y'.repeat(2_000), ' '),
      ),
      sealed: fc.record({
        kind: fc.constantFrom('sealed', 'reply'),
        data: fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.constant(randomBytes(31_000))),
      }),
    },
    { requiredKeys: ['author', 'domain', 'token', 'action', 'now', 'random'] },
  );

  test('is read as it was meant, also from a Maildir and below a trace', () => {
    fc.assert(
      fc.property(parts, (given) => {
        const made = composeReport(given);
        const text = Buffer.from(made).toString('latin1');
        const trace = 'Return-Path: <>\r\nReceived: by x\r\n\tfor y\r\n';
        const report = readReport(made);
        expect(text).toMatch(/^(?:[ -~\t]{0,998}\r\n)+$/);
        expect(report).toEqual({
          kind: 'report',
          token: given.token,
          action: given.action,
          status: given.status ?? (given.action === 'failed' ? '5.0.0' : '4.0.0'),
          ...(given.finalRecipient && { finalRecipient: given.finalRecipient }),
          diagnostic: expect.stringMatching(/^(?:[!-~](?:[ -~]{0,158}[!-~])?)?$/),
          ...(given.sealed && { sealed: { ...given.sealed, data: Buffer.from(given.sealed.data) } }),
        });
        expect(readReport(Buffer.from(trace + text, 'latin1'))).toEqual(report);
        expect(readReport(Buffer.from((trace + text).replaceAll('\r\n', '\n'), 'latin1'))).toEqual(report);
        expect(readDsn(made)).toMatchObject({ kind: 'dsn', ids: [given.token], action: given.action });
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['bad-domain', { domain: 'a.test\r\nX: y' }],
    ['bad-options', { author: 'alice' }],
    ['bad-options', { author: 'alice@a.test>\r\nBcc: <x@c.test' }],
    ['bad-options', { finalRecipient: 'x\r\n@b.test' }],
    ['bad-options', { token: token.toUpperCase() }],
    ['bad-options', { token: '' }],
    ['bad-options', { status: '2.0.0' }],
    ['bad-options', { status: '5.1.1\r\nX: y' }],
    ['bad-options', { text: ['--=_postern_report'] }],
    ['bad-options', { text: ['a\r\nb'] }],
    ['bad-options', { text: ['\xe4'] }],
  ])('%s for %j', (code, wrong) => {
    expect(() => composeReport({ ...own, ...wrong })).toThrow(expect.objectContaining({ code }));
  });
});

describe('what is no report of ours', () => {
  const text = compose({ ...own, ...sealed, finalRecipient: 'secure@b.test' });

  test.each([
    ['status', 'another field for the message', text.replace('Reporting-MTA', 'Arrival-Date')],
    ['status', 'another field for the recipient', text.replace('Diagnostic-Code', 'Remote-MTA')],
    ['status', 'no token', text.replace(/Original-Envelope-Id.*\r\n/, '')],
    ['status', 'two tokens', text.replace(/(Original-Envelope-Id.*\r\n)/, '$1$1')],
    ['status', 'a token that is none', text.replace(token, `${token}0`)],
    ['status', 'another action', text.replace('Action: failed', 'Action: relayed')],
    ['status', 'another class', text.replace(/Status: 5/, 'Status: 2')],
    ['status', 'a recipient that is none', text.replace('rfc822; secure@b.test', 'rfc822; b.test')],
    ['status', 'a second recipient', text.replace('\r\nFinal-', '\r\nAction: failed\r\n\r\nFinal-')],
    ['parts', 'another part sealed', text.replace('vnd.postern.report', 'octet-stream')],
    ['parts', 'a fourth part', text.replace(/--\r\n$/, '\r\n\r\n--=_postern_report--\r\n')],
    ['parts', 'another kind', text.replace(/base64\r\n\r\nA/, 'base64\r\n\r\nB')],
    ['parts', 'other base64', text.replace(/base64\r\n\r\nA/, 'base64\r\n\r\n A')],
    ['parts', 'another encoding', text.replace('Encoding: base64', 'Encoding: quoted-printable')],
    ['parts', 'text of another type', text.replace('text/plain', 'text/html')],
  ])('%s: %s', (reason, _, changed) => {
    expect(changed).not.toBe(text);
    expect(readReport(Buffer.from(changed, 'latin1'))).toEqual({ kind: 'no-report', reason });
  });

  test('every cut, and random octets, are read or refused', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 3), fc.nat(255), (at, octet) => {
        const octets = Buffer.from(text, 'latin1');
        expect(readReport(octets.subarray(0, at)).kind).toBe('no-report');
        octets[at] = octet;
        expect(['report', 'no-report']).toContain(readReport(octets).kind);
      }),
      { numRuns: 1_000 },
    );
  });
});
