import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ours } from '../../e2e/command.ts';
import { until } from '../debian.ts';
import { type Besieged, enter, hand, haveBesieged, listenerOf, startBesieged } from './hostile.ts';

describe.skipIf(!haveBesieged)('another key in DNS while messages wait', () => {
  const stack = new AsyncDisposableStack();
  let besieged: Besieged;

  beforeAll(async () => {
    besieged = stack.use(await startBesieged());
  });
  afterAll(() => stack.disposeAsync());

  test('those in Postfix’s queue and in the author’s hands arrive; the new key is not taken unasked', async () => {
    const { domains, carriage } = besieged;
    const { a, b, alice } = domains;
    const submission = listenerOf('submission', domains);
    const submit = async (made: string): Promise<void> => {
      using wire = await enter(submission);
      expect(await hand(submission, wire, made)).toMatch(/^250 /);
    };
    await a.host.postfix.set({ defer_transports: 'verified' });
    await submit(await carriage());
    await until(async () => (await a.host.postfix.queue()).some((one) => one.queue_name === 'deferred'));
    const inHand = await carriage();

    const [before = ''] = (await b.gateway.node.status()).domainKeys;
    const { configPath } = b.gateway;
    expect(await ours('postern-node', ['domain', 'rotate', '--config', configPath])).toMatchObject({
      code: 0,
    });
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

    await a.host.postfix.set({ defer_transports: '' });
    await submit(inHand);
    await until(async () => {
      await a.host.postfix.flush();
      return domains.settled();
    });
    expect(await besieged.read()).toEqual([0, 1]);
    await alice.domains.accept('b.test', fingerprint);
    await submit(await carriage());
    await until(() => domains.settled());
    expect(await besieged.read()).toEqual([0, 1, 2]);
    expect(await a.host.dovecot.mail('alice')).toEqual([]);
  });
});
