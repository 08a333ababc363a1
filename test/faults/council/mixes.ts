import { type Descriptor, epochAt, signDescriptor } from '@postern/protocol/consensus';
import { type TestNode, testDescriptor, testNode } from '@postern/protocol/testing';
import type { Council } from './authorities.ts';

/** A mix that listens nowhere. */
export interface Mix extends Pick<TestNode, 'signing' | 'members'> {
  readonly name: string;
}

export function mixOf(name: string): Mix {
  return { name, ...testNode(name, { now: Math.floor(Date.now() / 1_000) }) };
}

/** Always there, also while nothing else registers. */
export const mixes = ['mix1.test', 'mix2.test', 'mix3.test', 'mix4.test'].map(mixOf);

/** Signed by a mix, of this moment unless `change` says something else. */
export function describe(
  { name, signing, members }: Mix,
  epochSeconds: number,
  change: Partial<Descriptor> = {},
): string {
  const published = change.published ?? Math.floor(Date.now() / 1_000);
  const epoch = epochAt(published, epochSeconds);
  return signDescriptor(testDescriptor(name, { members }, { epoch, published }, change), signing);
}

/** `taken`, or why an authority does not take it; nothing when it does not answer. */
export async function post(url: string, descriptor: string): Promise<string | undefined> {
  const headers = { 'content-type': 'text/plain' };
  try {
    const answer = await fetch(`${url}/v1/descriptors`, { method: 'POST', body: descriptor, headers });
    const { error = 'taken' } = (await answer.json()) as { error?: string };
    return error;
  } catch {
    return undefined; // it was killed
  }
}

/** Registers those that are always there with all authorities that answer. */
export async function registerMixes({ authorities, epochSeconds }: Council): Promise<void> {
  const register = (mix: Mix): Promise<unknown>[] => {
    const descriptor = describe(mix, epochSeconds);
    return authorities.map(({ url }) => post(url, descriptor));
  };
  await Promise.all(mixes.flatMap(register));
}
