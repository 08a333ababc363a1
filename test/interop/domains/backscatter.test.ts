import { Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import { type Besieged, haveBesieged, recipient, startBesieged } from './hostile.ts';

/** Strangers who send for the `secure` mailbox of b.test in others' names, to its mail server, which takes whatever is for that mailbox. */
describe.skipIf(!haveBesieged)('what a gateway cannot take never comes back to a forged sender', () => {
  const stack = new AsyncDisposableStack();
  let besieged: Besieged;

  beforeAll(async () => {
    besieged = stack.use(await startBesieged());
  });
  afterAll(() => stack.disposeAsync());

  /** Postfix of b.test takes it, and passes it on. */
  const post = async (from: string, message: string): Promise<void> => {
    using wire = await Wire.connect({ ...besieged.domains.b.host.smtp, from: '127.0.0.99' });
    expect(await wire.reply()).toMatch(/^220/);
    expect(await wire.say('EHLO far.test')).toMatch(/^250/);
    const parameters = /[\x80-\xff]/.test(from) ? ' SMTPUTF8' : '';
    expect(await wire.say(`MAIL FROM:<${from}>${parameters}`)).toMatch(/^250/);
    expect(await wire.say(`RCPT TO:<${recipient}>`)).toMatch(/^250/);
    expect(await wire.say('DATA')).toMatch(/^354/);
    await wire.write(message);
    expect(await wire.say('.')).toMatch(/^250/);
    await wire.say('QUIT');
  };

  /** What has become of everything that Postfix of b.test had, and what the gateway counted. */
  const seen = async () => {
    const { b } = besieged.domains;
    const log = await b.host.postfix.log();
    const { received } = (await b.gateway.node.status()).counters;
    return {
      passedOn: log.match(/to=<secure@b\.test>.* status=sent/g)?.length ?? 0,
      bounces: log.match(/sender non-delivery notification|status=bounced/g)?.length ?? 0,
      discarded: received.discarded ?? 0,
      accepted: received.accepted ?? 0,
    };
  };

  /** What is different once Postfix has nothing left. */
  const since = async (before: Awaited<ReturnType<typeof seen>>) => {
    const { b } = besieged.domains;
    await until(async () => {
      const { passedOn, bounces } = await seen();
      return passedOn + bounces > before.passedOn + before.bounces;
    });
    await until(() => besieged.domains.settled());
    expect(await b.host.postfix.queue()).toEqual([]);
    const after = await seen();
    return {
      passedOn: after.passedOn - before.passedOn,
      bounces: after.bounces - before.bounces,
      discarded: after.discarded - before.discarded,
      accepted: after.accepted - before.accepted,
    };
  };

  const nothing = { passedOn: 1, bounces: 0, discarded: 1, accepted: 0 };
  const garbage = 'From: <alice@a.test>\r\nSubject: forged\r\n\r\nbuy this\r\n';

  test.each(['alice@a.test', 'v@c.test', '"v w"@c.test', 'v@[192.0.2.1]', 'v\xc3\xa4@c.test'])(
    'garbage in the name of %s',
    async (from) => {
      const before = await seen();
      await post(from, garbage);
      expect(await since(before)).toEqual(nothing);
    },
  );

  test.each<[string, (carriage: string) => string]>([
    ['truncated', (carriage) => carriage.slice(0, carriage.length >> 1).replace(/\r?\n?$/, '\r\n')],
    ['too long', (carriage) => carriage + `${'x'.repeat(76)}\r\n`.repeat(12_000)],
    ['with octets above 127', (carriage) => `Subject: \xc3\xa4\r\n${carriage}`],
  ])('a carriage that is %s', async (_, alter) => {
    const before = await seen();
    await post('v@c.test', alter(await besieged.carriage()));
    expect(await since(before)).toEqual(nothing);
  });

  test('a carriage arrives, whoever it says it is from', async () => {
    const { b } = besieged.domains;
    const mail = (await b.host.dovecot.mail('bob')).length;
    const before = await seen();
    await post('v@c.test', await besieged.carriage());
    expect(await since(before)).toEqual({ passedOn: 1, bounces: 0, discarded: 0, accepted: 1 });
    await until(async () => (await b.host.dovecot.mail('bob')).length === mail + 1);
  });

  test('nobody was ever written to', async () => {
    const { a, b } = besieged.domains;
    expect(await a.host.dovecot.mail('alice')).toEqual([]);
    const log = await b.host.postfix.log();
    const recipients = [...log.matchAll(/: [0-9A-Za-z]+: to=<([^>]*)>/g)].map(([, to]) => to);
    expect([...new Set(recipients)]).toEqual([recipient]);
  });

  test('a gateway that is told of no mail server in front refuses, and Postfix writes to whom it was told', async () => {
    const { a, b } = besieged.domains;
    await b.host.postfix.set({ smtp_bind_address: '127.0.0.98' });
    const before = await seen();
    await post('alice@a.test', garbage);
    await until(async () => (await a.host.dovecot.mail('alice')).length === 1);
    expect((await seen()).bounces).toBeGreaterThan(before.bounces);
  });
});
