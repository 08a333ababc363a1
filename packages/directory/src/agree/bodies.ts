import {
  descriptorDigest,
  type Listed,
  maxDescriptorLength,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import type { BodyStore } from '../store/bodies.ts';
import type { Bodies, Fetching } from './agreement.ts';
import type { Peers } from './peers.ts';

/** Fetches descriptors that this authority has not seen from those who say that they have them (spec agreement 3.3). */
export function createBodies(
  epoch: number,
  store: Pick<BodyStore, 'hasBody' | 'keepBodies'>,
  peers: Peers,
): Bodies {
  return {
    missing: (listed) => listed.filter(({ digest }) => !store.hasBody(digest)),
    fetch(listed, signal) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const missing = new Map(listed.map((one) => [one.digest, one]));
      const underWay = new Set<string>();
      const asked = new Set<string>();
      signal.addEventListener('abort', () => resolve(false), { once: true });

      const one = async (authority: string, { id, digest }: Listed): Promise<void> => {
        underWay.add(digest);
        const answer = await peers.ask(authority, `/v1/descriptors/${digest}`, {
          maxBytes: 4 * maxDescriptorLength,
        });
        underWay.delete(digest);
        if (signal.aborted || answer.kind !== 'answer' || answer.status !== 200) return;
        if (!isBody(answer.text, id, digest)) return;
        store.keepBodies(epoch, [{ digest, signed: answer.text }]);
        missing.delete(digest);
        if (missing.size === 0) resolve(true);
      };
      /** What somebody else brings already comes last, and only if they do not. */
      const line = async (authority: string, from: number): Promise<void> => {
        const all = [...missing.values()];
        const turned = [...all.slice(from), ...all.slice(0, from)];
        const left = turned.filter(({ digest }) => !underWay.has(digest));
        for (const each of [...left, ...turned]) {
          if (signal.aborted) return;
          if (missing.has(each.digest) && !underWay.has(each.digest)) await one(authority, each);
        }
      };
      const from = (authority: string): void => {
        if (asked.has(authority) || !peers.names.includes(authority)) return;
        asked.add(authority);
        const share = Math.ceil(missing.size / lines);
        for (let at = 0; at < lines; at++) void line(authority, at * share);
      };
      return { from, done: promise } satisfies Fetching;
    },
  };
}

/** Descriptors that one authority is asked for at a time. */
const lines = 4;

function isBody(signed: string, id: string, digest: string): boolean {
  if (descriptorDigest(signed) !== digest) return false;
  const verified = verifyDescriptor(signed);
  return verified.kind === 'descriptor' && verified.id === id;
}
