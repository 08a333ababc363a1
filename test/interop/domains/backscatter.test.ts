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
  const post = async (from: string, message: string, rcpt = `RCPT TO:<${recipient}>`): Promise<void> => {
    using wire = await Wire.connect({ ...besieged.domains.b.host.smtp, from: '127.0.0.99' });
    expect(await wire.reply()).toMatch(/^220/);
    expect(await wire.say('EHLO far.test')).toMatch(/^250/);
    const parameters = /[\x80-\xff]/.test(from) ? ' SMTPUTF8' : '';
    expect(await wire.say(`MAIL FROM:<${from}>${parameters}`)).toMatch(/^250/);
    expect(await wire.say(rcpt)).toMatch(/^250/);
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
      passedOn: log.match(/to=<secure@b\.test>.* status=sent/gi)?.length ?? 0,
      bounces:
        log.match(/sender (?:non-delivery|delivery status|delay) notification|status=bounced/g)?.length ?? 0,
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

  const notify = 'NOTIFY=SUCCESS,DELAY,FAILURE';

  test.each([
    `RCPT TO:<${recipient}> ${notify}`,
    `RCPT TO:<${recipient}> ${notify} ORCPT=rfc822;alice@a.test`,
    `RCPT TO:<${recipient}> ORCPT=rfc822;alice@a.test ${notify}`,
    `rcpt\tto: <SECURE@b.test>\tnotify=success,delay`,
    `RCPT TO:${recipient} ${notify}`,
    `RCPT TO:<@far.test:${recipient}> ${notify}`,
    `RCPT TO:<${recipient} (x NOTIFY=NEVER x)> ${notify}`,
    `\x0bRCPT TO:<${recipient}> ${notify}`,
    `\fRCPT TO:<${recipient}> ${notify}`,
  ])('to be told of its delivery is not for a stranger to ask: %j', async (rcpt) => {
    const before = await seen();
    await post('alice@a.test', garbage, rcpt);
    expect(await since(before)).toEqual(nothing);
  });

  test.each([
    `RCPT TO:<${recipient}> NOTIFY=NEVER NOTIFY=NEVER`,
    `RCPT TO:<${recipient}> NOTIFY=NEVER ${notify}`,
    `RCPT TO:<${recipient}> ${notify} notify=never`,
    `RCPT TO:<${recipient}> NOTIFY=NEVER,SUCCESS`,
    `RCPT TO:<${recipient}> NOTIFY=SUCCESS,NEVER`,
  ])('nor is it beside asking for nothing: %j', async (rcpt) => {
    using wire = await Wire.connect({ ...besieged.domains.b.host.smtp, from: '127.0.0.99' });
    await wire.reply();
    for (const command of ['EHLO far.test', 'MAIL FROM:<alice@a.test>'])
      expect(await wire.say(command)).toMatch(/^250/);
    expect(await wire.say(rcpt)).toMatch(/^501 5\.5\.4/);
  });

  test.each([
    `RCPT TO:<${recipient}> ${notify} ORCPT=rfc822;"x NOTIFY=NEVER`,
    `RCPT TO:<${recipient}> ${notify} ORCPT=rfc822;"x NOTIFY=y`,
    `RCPT TO:<${recipient}> ${notify} ORCPT=rfc822;<x NOTIFY=NEVER`,
    `RCPT TO:<${recipient}> ${notify} ORCPT=rfc822;x\\ NOTIFY=NEVER`,
    `RCPT TO:<${recipient}> ORCPT=rfc822;x\\`,
    `RCPT TO:<"${recipient}> ${notify}`,
    `RCPT TO:<${recipient}> ${notify} ORCPT=rfc822;\xe4`,
  ])('nor where Postfix and its filter could take the command for two: %j', async (rcpt) => {
    using wire = await Wire.connect({ ...besieged.domains.b.host.smtp, from: '127.0.0.99' });
    await wire.reply();
    for (const command of ['EHLO far.test', 'MAIL FROM:<alice@a.test>'])
      expect(await wire.say(command)).toMatch(/^250/);
    expect(await wire.say(rcpt)).toMatch(/^50(?:1 5\.5\.4|0 5\.5\.2)/);
    expect(await wire.say('DATA')).toMatch(/^554 5\.5\.1/);
  });

  test('nor is it by asking twice, and without ESMTP mail is taken as ever', async () => {
    using wire = await Wire.connect({ ...besieged.domains.b.host.smtp, from: '127.0.0.99' });
    await wire.reply();
    for (const command of ['HELO far.test', 'MAIL FROM:<alice@a.test>'])
      expect(await wire.say(command)).toMatch(/^250/);
    expect(await wire.say(`RCPT TO:<${recipient}> ${notify} ${notify}`)).toMatch(/^501/);
    expect(await wire.say(`RCPT TO:<${recipient}>`)).toMatch(/^250/);
  });

  test.each(['secure+x@b.test', '"secure+x y"@b.test', 'SECURE+x@b.test'])(
    'Postfix takes nothing for %s, which the gateway would refuse',
    async (to) => {
      using wire = await Wire.connect({ ...besieged.domains.b.host.smtp, from: '127.0.0.99' });
      await wire.reply();
      for (const command of ['EHLO far.test', 'MAIL FROM:<alice@a.test>'])
        expect(await wire.say(command)).toMatch(/^250/);
      expect(await wire.say(`RCPT TO:<${to}>`)).toMatch(/^550 5\.1\.1/);
    },
  );

  test.each(['secure+x@elsewhere.test', 'secure+x@sub.b.test', 'secure+x@b-test'])(
    'of %s it says nothing to the domain’s own users',
    async (to) => {
      using wire = await Wire.connect(besieged.domains.b.host.smtp);
      await wire.reply();
      for (const command of ['EHLO own.test', 'MAIL FROM:<bob@b.test>'])
        expect(await wire.say(command)).toMatch(/^250/);
      expect(await wire.say(`RCPT TO:<${to}>`)).toMatch(/^250/);
    },
  );

  /** Tried twice once a delay is told of: of the first time it has been told by then, if it ever is. */
  const delayed = async (): Promise<void> => {
    const { postfix } = besieged.domains.b.host;
    const late = /to=<secure@b\.test>.* delay=(?:[2-9]|\d{2,})(?:\.\d+)?,.* status=deferred/g;
    const tries = async (): Promise<number> => (await postfix.log()).match(late)?.length ?? 0;
    const before = await tries();
    await until(async () => {
      await postfix.flush();
      return (await tries()) >= before + 2;
    });
  };

  /** What Postfix keeps while the gateway is not there. */
  const keepWaiting = async (body: () => Promise<void>): Promise<void> => {
    const { domains } = besieged;
    const { postfix } = domains.b.host;
    await postfix.set({ delay_warning_time: '1s', minimal_backoff_time: '1s', queue_run_delay: '1s' });
    await postfix.route({ gateway: { ...domains.b.gateway.at, port: 9 } });
    await post('alice@a.test', garbage, `RCPT TO:<${recipient}> ${notify}`);
    await delayed();
    await body();
    await domains.routeAsUsual();
    await postfix.flush();
    await until(() => domains.settled());
  };

  test('nor of a delay', async () => {
    const before = await seen();
    await keepWaiting(async () => {
      expect((await seen()).bounces).toBe(before.bounces);
    });
    expect(await since(before)).toEqual(nothing);
  });

  test('nobody was ever written to', async () => {
    const { a, b } = besieged.domains;
    expect(await a.host.dovecot.mail('alice')).toEqual([]);
    const log = await b.host.postfix.log();
    const recipients = [...log.matchAll(/: [0-9A-Za-z]+: to=<([^>]*)>/g)].map(([, to]) => to?.toLowerCase());
    expect([...new Set(recipients)]).toEqual([recipient]);
  });

  test('without the filter Postfix tells whom it was told, of a delay and of the delivery', async () => {
    const { a, b } = besieged.domains;
    await b.host.postfix.set({ smtpd_command_filter: '' });
    await keepWaiting(() => until(async () => (await a.host.dovecot.mail('alice')).length === 1));
    await until(async () => (await a.host.dovecot.mail('alice')).length === 2);
    await a.host.dovecot.take('alice');
    await b.host.postfix.set({ smtpd_command_filter: 'regexp:$config_directory/command_filter' });
  });

  test('a gateway that is told of no mail server in front refuses, and Postfix writes to whom it was told', async () => {
    const { a, b } = besieged.domains;
    await b.host.postfix.set({ smtp_bind_address: '127.0.0.98' });
    const before = await seen();
    // Whoever wants to be told of nothing (RFC 3461 section 4.1) is not.
    await post('alice@a.test', garbage, `RCPT TO:<${recipient}> NOTIFY=NEVER`);
    await until(async () => (await seen()).bounces > before.bounces);
    await until(() => besieged.domains.settled());
    await post('alice@a.test', garbage);
    await until(async () => (await a.host.dovecot.mail('alice')).length > 0);
    await until(() => besieged.domains.settled());
    expect(await a.host.dovecot.mail('alice')).toHaveLength(1);
  });
});
