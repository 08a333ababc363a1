import { encodeBase64 } from '@postern/protocol/codec';
import { epochAt, keyEpochsPublished, signDescriptor } from '@postern/protocol/consensus';
import { generateMixKey } from '@postern/protocol/packet';
import { ed25519 } from '@postern/protocol/primitives';
import type { Council } from './authorities.ts';

const identities = ['mix1.test', 'mix2.test', 'mix3.test', 'mix4.test'].map((name) => {
  const { privateKey, publicKey } = ed25519.generate();
  return { name, privateKey, identityKey: encodeBase64(publicKey) };
});
const key = encodeBase64(generateMixKey().publicKey);

/** Registers mixes with all authorities that answer. */
export async function registerMixes({ authorities, epochSeconds }: Council): Promise<void> {
  const published = Math.floor(Date.now() / 1_000);
  const mixKeys = keyEpochsPublished(epochAt(published, epochSeconds)).map((epoch) => ({ epoch, key }));
  const smtp = { host: '127.0.0.1', port: 2525 };
  const post = (
    { name, privateKey, identityKey }: (typeof identities)[number],
    url: string,
  ): Promise<unknown> => {
    const descriptor = {
      version: 1,
      roles: ['mix'],
      tlsPins: ['ab'.repeat(32)],
      family: '',
      domains: [],
    } as const;
    const body = signDescriptor({ ...descriptor, name, identityKey, smtp, mixKeys, published }, privateKey);
    const headers = { 'content-type': 'text/plain' };
    return fetch(`${url}/v1/descriptors`, { method: 'POST', body, headers }).then(
      (answer) => answer.body?.cancel(),
      () => undefined,
    );
  };
  await Promise.all(identities.flatMap((one) => authorities.map(({ url }) => post(one, url))));
}
