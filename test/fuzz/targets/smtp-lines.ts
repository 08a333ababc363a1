import { formatMailbox, parseMailbox } from '@postern/mail';
import {
  beginExchange,
  DataReader,
  isWellFormed,
  lineFault,
  readAddressCommand,
  readHandedOn,
  type Step,
  stuff,
  verb,
} from '@postern/mail/testing';
import { bytes, hold, latin1, sameBytes, type Target } from '../target.ts';

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

export const smtpLineTargets: readonly Target[] = [command, login, data];
