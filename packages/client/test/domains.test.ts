import { formatZone, makeRecord } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { PublicKey, readPrivateKey, reformatKey } from 'openpgp';
import { expect, test } from 'vitest';
import { type Domains, openDomains } from '../src/domains/index.ts';
import { steppedClock } from './clock.ts';
import { folder } from './folder.ts';

const now = Date.UTC(2026, 0, 1);
const expires = now / 1000 + 86_400 * 100;

async function made(): Promise<{
  domains: Domains;
  zone: (change?: { expires?: number; tls?: 'require' | 'prefer'; certificate?: Uint8Array }) => string;
  renewed: Uint8Array;
}> {
  const { certificate, secretKey } = await generateDomainKey('b.test', new Date(now - 7_200_000));
  const { privateKey } = await reformatKey({
    privateKey: await readPrivateKey({ binaryKey: secretKey }),
    userIDs: { email: 'secure@b.test' },
    date: new Date(now - 3_600_000),
    format: 'object',
  });
  const record = {
    domain: 'b.test',
    certificate,
    tls: 'require' as const,
    mix: true,
    maxBytes: 1e6,
    expires,
  };
  return {
    domains: openDomains({
      directory: await folder(),
      cacheDirectory: await folder(),
      clock: steppedClock(now),
      dns: async () => undefined,
    }),
    zone: (change = {}) => formatZone(makeRecord({ ...record, ...change })),
    renewed: new PublicKey(privateKey.toPublic().toPacketList()).write(),
  };
}

test('a record that holds longer takes the place of one with the same certificate', async () => {
  const { domains, zone } = await made();
  await domains.pin(zone());
  await domains.pin(zone());
  await domains.pin(zone({ expires: expires + 1, tls: 'prefer' }));
  expect(await domains.lookup('b.test')).toMatchObject({ kind: 'record', record: { tls: 'prefer' } });
});

test('an older one does so only when told', async () => {
  const { domains, zone } = await made();
  await domains.pin(zone());
  const older = zone({ expires: expires - 1, tls: 'prefer' });
  await expect(domains.pin(older)).rejects.toMatchObject({
    code: 'domain-conflict',
    message: expect.stringMatching(/is newer: it holds until 2026-04-11/),
  });
  expect(await domains.lookup('b.test')).toMatchObject({ record: { tls: 'require' } });
  await domains.pin(older, { replace: true });
  expect(await domains.lookup('b.test')).toMatchObject({ record: { tls: 'prefer' } });
});

test('another certificate of the same key is told from another key', async () => {
  const { domains, zone, renewed } = await made();
  const { fingerprint } = await domains.pin(zone());
  const changed = zone({ certificate: renewed, expires: expires + 1 });
  await expect(domains.pin(changed)).rejects.toMatchObject({
    code: 'domain-conflict',
    message: `THE CERTIFICATE OF b.test HAS CHANGED; its key is still ${fingerprint}`,
  });
  expect(await domains.pin(changed, { replace: true })).toMatchObject({ fingerprint });
  await expect(domains.pin((await made()).zone())).rejects.toThrow(/ANOTHER KEY IS PINNED/);
});
