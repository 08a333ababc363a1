import { encodeBase64 } from '@postern/protocol/codec';
import { epochAt, keyEpochsPublished, signDescriptor } from '@postern/protocol/consensus';
import { defaultGeometry, generateMixKey } from '@postern/protocol/packet';
import { testNode } from '@postern/protocol/testing';
import type { Council } from './authorities.ts';

const nodes = ['mix1.test', 'mix2.test', 'mix3.test', 'mix4.test'].map((name) => ({
  name,
  ...testNode(name, { now: Math.floor(Date.now() / 1_000) }),
}));
const key = encodeBase64(generateMixKey().publicKey);

/** Registers mixes with all authorities that answer. */
export async function registerMixes({ authorities, epochSeconds }: Council): Promise<void> {
  const published = Math.floor(Date.now() / 1_000);
  const mixKeys = keyEpochsPublished(epochAt(published, epochSeconds)).map((epoch) => ({ epoch, key }));
  const smtp = { host: '127.0.0.1', port: 2525 };
  const post = ({ name, signing, members }: (typeof nodes)[number], url: string): Promise<unknown> => {
    const descriptor = {
      version: 1,
      roles: ['mix'],
      tlsPins: ['ab'.repeat(32)],
      family: '',
      domains: [],
      capacity: 64,
      load: 0,
      protocols: [defaultGeometry.suite],
      downtime: [],
      mirror: '',
      contact: '',
      software: '',
    } as const;
    const body = signDescriptor({ ...descriptor, ...members, name, smtp, mixKeys, published }, signing);
    const headers = { 'content-type': 'text/plain' };
    return fetch(`${url}/v1/descriptors`, { method: 'POST', body, headers }).then(
      (answer) => answer.body?.cancel(),
      () => undefined,
    );
  };
  await Promise.all(nodes.flatMap((one) => authorities.map(({ url }) => post(one, url))));
}
