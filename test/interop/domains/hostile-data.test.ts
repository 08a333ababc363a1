/* oxlint-disable vitest/expect-expect, vitest/no-conditional-expect -- helpers check what a listener says and what arrives; not every listener takes the same */
import { smugglingSequences, Wire } from '@postern/mail/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { endsDataAt } from '../postfix.ts';
import {
  type Besieged,
  beginData,
  besiege,
  enter,
  hand,
  haveBesieged,
  inAndOut,
  kinds,
  leave,
  passed,
  passedSince,
  recipient,
  startBesieged,
} from './hostile.ts';

/** Data that other servers read in another way, at the gateways of two domains with Debian's Postfix between them. */
describe.skipIf(!haveBesieged).each(kinds)('what the %s listener is sent', (kind) => {
  const siege = besiege(kind);

  /** Whatever is refused leaves nothing behind. */
  const refuses = async (data: string, reply: RegExp): Promise<void> => {
    await siege.remember();
    using wire = await enter(siege.listener);
    expect(await hand(siege.listener, wire, data)).toMatch(reply);
    await siege.onlyHonest(wire);
  };

  const inTheMiddle = async (change: (line: string) => string): Promise<string> => {
    const lines = (await siege.carriage()).split('\r\n');
    const at = Math.floor(lines.length / 2);
    return lines.map((line, n) => (n === at ? change(line) : line)).join('\r\n');
  };

  test.each(smugglingSequences)(
    'R1 %j with a whole session behind it, in every split over segments',
    async (sequence) => {
      await siege.remember();
      // With its last CRLF it would be no carriage any more where a server ends the data at the sequence.
      const one = (await siege.carriage()).slice(0, -2);
      const two = await siege.carriage();
      const smuggled = `MAIL FROM:<${siege.listener.from}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n${two}.\r\n`;
      const octets = Buffer.from(`${one}${sequence}${smuggled}`, 'latin1');
      const [first, last] = [one.length - 2, one.length + sequence.length + 2];
      using wire = await enter(siege.listener);
      for (let at = first; at <= last; at += 1) {
        await beginData(wire, siege.listener);
        await wire.write(octets.subarray(0, at));
        await wire.write(octets.subarray(at));
        expect(await wire.reply()).toMatch(/^550 5\.6\.0/);
      }
      await beginData(wire, siege.listener);
      await wire.write(octets.subarray(0, first));
      for (const octet of octets.subarray(first, last)) await wire.write(Uint8Array.of(octet));
      await wire.write(octets.subarray(last));
      expect(await wire.reply()).toMatch(/^550 5\.6\.0/);
      await siege.onlyHonest(wire);
    },
  );

  test('R1 the end of the data, in every split over segments: one message each', async () => {
    await siege.remember();
    using wire = await enter(siege.listener);
    const end = '\r\n.\r\n';
    for (let at = 0; at <= end.length; at += 1) {
      const body = (await siege.carriage()).slice(0, -2);
      await beginData(wire, siege.listener);
      await wire.write(body + end.slice(0, at));
      await wire.write(end.slice(at));
      expect(await wire.reply()).toMatch(/^250 2\.6\.0/);
    }
    await leave(wire);
    expect(await siege.since(end.length + 1)).toEqual(inAndOut(kind, end.length + 1));
  });

  test.each(['\n', '\r', '\r\r\n', '\n\r', '\n\r\n'])('R2 %j in the place of a line’s end', async (end) => {
    const carriage = await siege.carriage();
    const places = [carriage.indexOf('\r\n'), carriage.indexOf('\r\n\r\n') + 2, carriage.length - 2];
    for (const at of places)
      await refuses(`${carriage.slice(0, at)}${end}${carriage.slice(at + 2)}\r\n`, /^550 5\.6\.0/);
  });

  test('R3 a NUL in the data', async () => {
    await refuses(await inTheMiddle((line) => `${line}\0`), /^550 5\.6\.0/);
  });

  test.each(['NO\0OP', `MAIL FROM:<secure\0@a.test>`, 'RCPT TO:<secure@b.test>\x07', 'NOOP \xe4'])(
    'R3 %j as a command',
    async (command) => {
      await siege.remember();
      using wire = await enter(siege.listener);
      expect(await wire.say(command)).toMatch(/^501 5\.5\.2/);
      await siege.onlyHonest(wire);
    },
  );

  test('R4 a line of more than 998 octets', async () => {
    await refuses(await inTheMiddle(() => 'A'.repeat(999)), /^550 5\.6\.0/);
    await refuses(`X-Long: ${'a'.repeat(1_500)}\r\n${await siege.carriage()}`, /^550 5\.6\.0/);
  });

  test('R5 octets above 127: no carriage has any; BODY says nothing else', async () => {
    await refuses(await inTheMiddle((line) => `\xe4${line.slice(1)}`), /^554 5\.6\.0/);
    await siege.remember();
    using wire = await enter(siege.listener);
    expect(await wire.say(`MAIL FROM:<${siege.listener.from}> BODY=BINARYMIME`)).toMatch(/^501/);
    expect(await wire.say(`MAIL FROM:<${siege.listener.from}> BODY=8BITMIME`)).toMatch(/^250/);
    expect(await wire.say(`RCPT TO:<${recipient}>`)).toMatch(/^250/);
    expect(await wire.say('DATA')).toMatch(/^354/);
    await wire.write(await siege.carriage());
    expect(await wire.say('.')).toMatch(/^250 2\.6\.0/);
    await leave(wire);
    expect(await siege.since(1)).toEqual(inAndOut(kind, 1));
  });

  test('R6 an address that is not ASCII, and SMTPUTF8', async () => {
    await siege.remember();
    using wire = await enter(siege.listener);
    expect(await wire.say('MAIL FROM:<\xc3\xa4@a.test> SMTPUTF8')).toMatch(/^553 5\.6\.7/);
    expect(await wire.say(`MAIL FROM:<${siege.listener.from}> SMTPUTF8`)).toMatch(/^555 5\.5\.4/);
    expect(await wire.say(`MAIL FROM:<${siege.listener.from}>`)).toMatch(/^250/);
    expect(await wire.say('RCPT TO:<s\xc3\xa4cure@b.test>')).toMatch(/^553 5\.6\.7/);
    expect(await wire.say('RSET')).toMatch(/^250/);
    await siege.onlyHonest(wire);
  });

  test('R11 a size that is told too small: cut soon after the limit, and memory stays flat', async () => {
    await siege.remember();
    using wire = await enter(siege.listener);
    expect(await wire.say(`MAIL FROM:<${siege.listener.from}> SIZE=1000000000`)).toMatch(/^552 5\.3\.4/);
    expect(await wire.say(`MAIL FROM:<${siege.listener.from}> SIZE=10`)).toMatch(/^250/);
    expect(await wire.say(`RCPT TO:<${recipient}>`)).toMatch(/^250/);
    expect(await wire.say('DATA')).toMatch(/^354/);
    const chunk = Buffer.from(`${'x'.repeat(62)}\r\n`.repeat(1_024), 'latin1');
    const answer = wire.reply();
    const memory = process.memoryUsage().rss;
    let sent = 0;
    for (; !wire.gone && sent < 1e9; sent += chunk.length) await wire.write(chunk);
    expect(await answer).toMatch(/^552 5\.3\.4/);
    expect(sent).toBeLessThan(5e7);
    expect(process.memoryUsage().rss - memory).toBeLessThan(2e8);
    using other = await enter(siege.listener);
    await siege.onlyHonest(other);
  });
});

/** Who does not come by a gateway at all, but by the domain's mail server in front of one. */
describe.skipIf(!haveBesieged)('what Postfix is sent for the gateway behind it', () => {
  const stack = new AsyncDisposableStack();
  let besieged: Besieged;
  /** Of the last letter among all. */
  let place = -1;

  beforeAll(async () => {
    besieged = stack.use(await startBesieged());
  });
  afterAll(() => stack.disposeAsync());
  afterEach(async () => {
    await besieged.domains.b.host.dovecot.take('bob');
  });

  /** Up to the begin of a transaction, from an address that is none of the domain's. */
  const stranger = async (): Promise<Wire> => {
    const wire = await Wire.connect({ ...besieged.domains.b.host.smtp, from: '127.0.0.99' });
    expect(await wire.reply()).toMatch(/^220/);
    expect(await wire.say('EHLO far.test')).toMatch(/^250/);
    return wire;
  };

  test.each(smugglingSequences)(
    'R1 %j: wherever Postfix ends the data, nothing smuggled gets past the gateway',
    async (sequence) => {
      const { domains } = besieged;
      const before = await passed(domains);
      const carriage = (await besieged.carriage()).slice(0, -2);
      place += 1;
      const smuggled = `MAIL FROM:<>\r\nRCPT TO:<${recipient}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n`;
      using wire = await stranger();
      for (const command of ['MAIL FROM:<>', `RCPT TO:<${recipient}>`])
        expect(await wire.say(command)).toMatch(/^250/);
      expect(await wire.say('DATA')).toMatch(/^354/);
      await wire.write(carriage + sequence + smuggled);
      expect(await wire.reply()).toMatch(/^250/);
      // Where Postfix ends the data at the sequence, the honest carriage is whole; where not, it is no carriage.
      const whole = endsDataAt(sequence) ? 1 : 0;
      const after = await passedSince(domains, before, whole);
      expect(after).toEqual({ ...inAndOut('delivery', whole), postfixB: whole });
      expect(await besieged.read()).toEqual(whole === 1 ? [place] : []);
    },
  );

  test('R1 an honest carriage: one', async () => {
    const { domains } = besieged;
    const before = await passed(domains);
    using wire = await stranger();
    for (const command of ['MAIL FROM:<>', `RCPT TO:<${recipient}>`])
      expect(await wire.say(command)).toMatch(/^250/);
    expect(await wire.say('DATA')).toMatch(/^354/);
    await wire.write(await besieged.carriage());
    place += 1;
    expect(await wire.say('.')).toMatch(/^250/);
    await wire.say('QUIT');
    expect(await passedSince(domains, before, 1)).toEqual({ ...inAndOut('delivery', 1), postfixB: 1 });
    expect(await besieged.read()).toEqual([place]);
  });
});
