import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ours } from '../../e2e/command.ts';
import { freePort, until } from '../debian.ts';
import { type Besieged, enter, hand, haveBesieged, listenerOf, startBesieged } from './hostile.ts';

describe.skipIf(!haveBesieged)('D1 another key in DNS while messages wait', () => {
  const stack = new AsyncDisposableStack();
  let besieged: Besieged;

  beforeAll(async () => {
    besieged = stack.use(await startBesieged());
  });
  afterAll(() => stack.disposeAsync());

  test('those in Postfix’s queue and in the author’s hands arrive; the new key is not taken unasked', async () => {
    const { domains, carriage } = besieged;
    const { a, b, alice } = domains;
    const arrived = async (): Promise<number> => (await b.host.dovecot.mail('bob')).length;
    const submission = listenerOf('submission', domains);
    const submit = async (made: string): Promise<void> => {
      using wire = await enter(submission);
      expect(await hand(submission, wire, made)).toMatch(/^250 /);
    };
    const closed = { host: b.host.smtp.host, port: await freePort(b.host.smtp.host) };
    await a.host.postfix.route({ gateway: a.gateway.at, routes: { 'b.test': closed } });
    await submit(await carriage());
    await until(async () => (await a.host.postfix.queue()).some((one) => one.queue_name === 'deferred'));
    const inHand = await carriage();

    const [before = ''] = (await b.gateway.node.status()).domainKeys;
    const config = `${dirname(b.gateway.certificate)}.toml`;
    expect(await ours('postern-node', ['domain', 'rotate', '--config', config])).toMatchObject({ code: 0 });
    await until(async () => (await b.gateway.node.status()).domainKeys.length === 2);
    await domains.republish();
    const [fingerprint = ''] = (await b.gateway.node.status()).domainKeys;
    expect(fingerprint).not.toBe(before);
    expect((await alice.domains.check('b.test')).asked?.finding).toMatchObject({
      kind: 'changed',
      change: 'another-key',
      record: { fingerprint },
      known: { record: { fingerprint: before } },
    });
    await expect(carriage()).rejects.toThrow(/ANOTHER KEY FOR b\.test/);

    await domains.routeAsUsual();
    await submit(inHand);
    await until(async () => {
      await a.host.postfix.flush();
      return (await arrived()) === 2;
    });
    await alice.domains.accept('b.test', fingerprint);
    await submit(await carriage());
    await until(async () => (await arrived()) === 3);
    await until(() => domains.settled());
    expect(await arrived()).toBe(3);
    expect(await a.host.dovecot.mail('alice')).toEqual([]);
  });
});
