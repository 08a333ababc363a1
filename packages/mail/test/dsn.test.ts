import { type Dsn, readDsn } from '@postern/mail';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exchange, exim, gmail, id, postfix } from './dsn-shapes.ts';

const shapes = { postfix, exim, exchange, gmail };

function read(text: string): Dsn {
  return readDsn(Buffer.from(text, 'latin1'));
}

/** A report whose delivery status is these lines, with `more` behind it. */
function report(status: readonly string[], more: readonly string[] = []): string {
  const lines = [
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    '',
    'hello',
  ];
  return [...lines, '--b', 'Content-Type: message/delivery-status', '', ...status, ...more, '--b--', ''].join(
    '\r\n',
  );
}

const mta = 'Reporting-MTA: dns; mx.b.test';
const recipient = (action: string, status = '', diagnostic = ''): string[] => [
  '',
  'Final-Recipient: rfc822; x@b.test',
  `Action: ${action}`,
  ...(status === '' ? [] : [`Status: ${status}`]),
  ...(diagnostic === '' ? [] : [`Diagnostic-Code: ${diagnostic}`]),
];

describe('spec report 5: what other mail servers report', () => {
  test('Postfix', () => {
    const diagnostic = '550 5.1.1 <secure@b.test>: Recipient address rejected';
    expect(read(postfix)).toEqual({ kind: 'dsn', ids: [id], action: 'failed', status: '5.1.1', diagnostic });
  });

  test('Exim, a delay', () => {
    expect(read(exim)).toEqual({
      kind: 'dsn',
      ids: [id],
      action: 'delayed',
      status: '4.0.0',
      diagnostic: '',
    });
  });

  test('Exchange, whose text has parts of its own', () => {
    const diagnostic = '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found';
    expect(read(exchange)).toEqual({
      kind: 'dsn',
      ids: [id],
      action: 'failed',
      status: '5.1.10',
      diagnostic,
    });
  });

  test('Gmail', () => {
    const diagnostic =
      '550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 Please try again.';
    expect(read(gmail)).toEqual({ kind: 'dsn', ids: [id], action: 'failed', status: '5.1.1', diagnostic });
  });

  test.each(Object.entries(shapes))('%s with line ends of LF is the same', (_, text) => {
    expect(read(text.replaceAll('\r\n', '\n'))).toEqual(read(text));
  });

  test('an id of the envelope and another of the header are both told', () => {
    const other = 'f'.repeat(32);
    expect(read(postfix.replace(`Envelope-Id: ${id}`, `Envelope-Id: ${other}`))).toMatchObject({
      ids: [other, id],
    });
  });

  test.each([
    ['an id in upper case', `Original-Envelope-Id: ${id.toUpperCase()}`],
    ['another envelope id', 'Original-Envelope-Id: 42'],
    ['an envelope id twice', `Original-Envelope-Id: ${id}\r\nOriginal-Envelope-Id: ${id}`],
    ['none', mta],
  ])('no id: %s', (_, field) => {
    expect(read(report([field, ...recipient('failed')]))).toMatchObject({ kind: 'dsn', ids: [] });
  });

  test.each([
    ['a Message-ID twice', [`Message-ID: <${id}@a.test>`, `Message-ID: <${id}@a.test>`]],
    ['another Message-ID', [`Message-ID: <x${id}@a.test>`]],
    ['one below the header', ['To: x', '', `Message-ID: <${id}@a.test>`]],
    ['one inside another part', ['Content-Type: message/rfc822', '', `Message-ID: <${id}@a.test>`]],
    ['lines that are no header', ['hello', `Message-ID: <${id}@a.test>`]],
  ])('no id in what came back: %s', (_, lines) => {
    const more = ['--b', 'Content-Type: message/rfc822', '', ...lines];
    expect(read(report([mta, ...recipient('failed')], more))).toMatchObject({ kind: 'dsn', ids: [] });
  });

  test('of several recipients the worst counts', () => {
    const status = [
      mta,
      ...recipient('delivered', '2.0.0'),
      ...recipient('delayed', '4.4.1', 'smtp; 421 busy'),
      ...recipient('failed', '5.2.2', 'smtp; 552 full'),
      ...recipient('failed', '5.1.1'),
    ];
    const worst = { action: 'failed', status: '5.2.2', diagnostic: '552 full' };
    expect(read(report(status))).toMatchObject(worst);
    expect(read(report(status.slice(0, 9)))).toMatchObject({ action: 'delayed', status: '4.4.1' });
    expect(read(report(status.slice(0, 5)))).toMatchObject({ action: 'delivered', status: '2.0.0' });
  });

  test.each([
    ['5.1.1 (no such user)', '5.1.1'],
    ['', '5.0.0'],
    ['5.1', '5.0.0'],
    ['5.1.1.1', '5.0.0'],
    ['9.1.1', '5.0.0'],
  ])('the status %j counts as %s', (written, status) => {
    expect(read(report([mta, ...recipient('Failed', written)]))).toMatchObject({ action: 'failed', status });
  });

  test('a diagnostic is one line of printable ASCII, and short', () => {
    const dsn = read(
      report([mta, ...recipient('failed', '', `smtp; a\r\n \t\x1b[31m\xe4\r b ${'x'.repeat(990)}`)]),
    );
    expect(dsn).toMatchObject({ diagnostic: expect.stringMatching(/^a \[31m b x{151}$/) });
  });
});

describe('what is none', () => {
  const good = report([mta, ...recipient('failed')]);

  test.each([
    ['type', 'nothing', ''],
    ['header', 'no header', 'hello\r\n'],
    ['type', 'another message', 'Subject: x\r\n\r\nhello\r\n'],
    ['type', 'another multipart', good.replace('multipart/report', 'multipart/mixed')],
    [
      'type',
      'a receipt',
      good.replace('report-type=delivery-status', 'report-type=disposition-notification'),
    ],
    ['type', 'no kind of report', good.replace('report-type=delivery-status; ', '')],
    ['header', 'two types', `Content-Type: text/plain\r\n${good}`],
    ['header', 'two boundaries', good.replace('boundary=b', 'boundary=b; boundary=c')],
    ['header', 'a type that is none', good.replace('; boundary', ' boundary')],
    ['parts', 'no boundary', good.replace('; boundary=b', '')],
    ['parts', 'an empty boundary', good.replace('boundary=b', 'boundary=""')],
    ['parts', 'another boundary', good.replace('boundary=b', 'boundary=c')],
    ['parts', 'no end', good.replace('--b--', '')],
    ['parts', 'a boundary that others begin with', good.replaceAll('\r\n--b', '\r\n--bb')],
    ['parts', 'one part', good.replace(/--b\r\nContent[\s\S]*(?=--b--)/, '')],
    ['parts', 'eleven parts', good.replace('--b--', `${'--b\r\n\r\n'.repeat(9)}--b--`)],
    ['status', 'no delivery status', good.replace('message/delivery-status', 'text/plain')],
    [
      'status',
      'two types of it',
      good.replace('Content-Type: message', 'Content-Type: text/plain\r\nContent-Type: message'),
    ],
    [
      'status',
      'an encoded one',
      good.replace('/delivery-status\r\n', '/delivery-status\r\nContent-Transfer-Encoding: base64\r\n'),
    ],
    ['status', 'an empty one', report([])],
    ['status', 'no recipient', report([mta])],
    ['status', 'lines that are no fields', report([mta, '', 'hello'])],
    ['status', 'no action', report([mta, '', 'Status: 5.0.0'])],
    ['status', 'two actions', report([mta, ...recipient('failed'), 'Action: delivered'])],
    ['status', 'another action', report([mta, ...recipient('exploded')])],
    ['status', 'one recipient without', report([mta, ...recipient('failed'), '', 'Status: 5.0.0'])],
  ])('%s: %s', (reason, _, text) => {
    expect(read(text)).toEqual({ kind: 'no-dsn', reason });
  });
});

describe('bombs end in bounded time', () => {
  const long = (unit: string): string => unit.repeat(Math.floor(250_000 / unit.length));
  const nested = Array.from(
    { length: 3_000 },
    (_, n) => `Content-Type: multipart/mixed; boundary=c${n}\r\n\r\n--c${n}\r\n`,
  );
  const status = [mta, ...recipient('failed')];

  test.each([
    ['longer than a report is', report(status, ['--b', '', 'x'.repeat(262_144)]), 'too-big'],
    ['many fields', long('X: y\r\n'), 'header'],
    ['one field', `X: ${long(' \r\n\t')}`, 'header'],
    ['white space in a name', `X${long(' ')}`, 'header'],
    ['parts', report(status, [long('--b\r\n\r\n')]), 'parts'],
    ['almost delimiters', report(status, [long('--b ')]).replace('--b--', ''), 'parts'],
    ['delimiters of others', report(status, [long('--bb\r\n')]).replace('--b--', ''), 'parts'],
    ['white space behind a delimiter', report(status, [`--b${long(' ')}`]).replace('--b--', ''), 'parts'],
    [
      'a long type',
      report(status).replace('Content-Type: m', `Content-Type: m; ${long('a="b";').slice(0, 60_000)} `),
      'header',
    ],
    ['empty lines', report([long('\r\n')]), 'status'],
    ['recipients', report([mta, long('\r\n\r\nAction: failed')]), 'status'],
  ])('%s', (_, text, reason) => {
    expect(read(text)).toEqual({ kind: 'no-dsn', reason });
  });

  test('nesting, and a long message that came back, are octets', () => {
    const first = report(status).replace('hello', nested.join('').slice(0, 200_000));
    expect(read(first)).toMatchObject({ kind: 'dsn', ids: [] });
    const rfc822 = 'Content-Type: message/rfc822\r\n\r\n';
    expect(read(report(status, ['--b', long(rfc822)]))).toMatchObject({ kind: 'dsn', ids: [] });
  });
});

describe('no input makes it throw', () => {
  const texts = Object.values(shapes);

  test('random octets in place of some, and every cut', () => {
    const change = fc.tuple(fc.nat(4_000), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.array(change, { maxLength: 20 }),
        fc.nat(4_000),
        (text, changes, cut) => {
          const octets = Buffer.from(text, 'latin1');
          for (const [at, octet] of changes) octets[at % octets.length] = octet;
          expect(['dsn', 'no-dsn']).toContain(readDsn(octets).kind);
          expect(['dsn', 'no-dsn']).toContain(readDsn(octets.subarray(0, cut)).kind);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('lines in any order', () => {
    const lines = texts.flatMap((text) => text.split('\r\n'));
    fc.assert(
      fc.property(fc.shuffledSubarray(lines, { maxLength: 30 }), (chosen) => {
        const text = [
          'Content-Type: multipart/report; report-type=delivery-status; boundary=x',
          '',
          '--x',
          ...chosen,
          '--x--',
        ];
        expect(['dsn', 'no-dsn']).toContain(read(text.join('\r\n')).kind);
      }),
      { numRuns: 500 },
    );
  });
});
