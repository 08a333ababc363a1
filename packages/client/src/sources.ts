import type { Resolver } from '@postern/runtime/dns';
import {
  dnsSource,
  type KeysConfig,
  keyringSource,
  type Sources,
  type WkdOptions,
  wkdSource,
} from './keys/index.ts';

/** Whether a look-up of a recipient's key asks anybody. */
export function isFindable({ order, gnupg }: KeysConfig, resolves: boolean): boolean {
  return order.some((source) => (source === 'keyring' ? gnupg !== undefined : resolves));
}

/** Where recipients' keys are looked up. Without a resolver nobody beyond this machine is asked. */
export function sourcesOf(
  { order, gnupg }: KeysConfig,
  resolver: Resolver | undefined,
  own: WkdOptions['own'],
): Sources {
  return {
    order,
    by: {
      ...(resolver === undefined
        ? {}
        : { dns: dnsSource(resolver), wkd: wkdSource({ resolver, ...(own === undefined ? {} : { own }) }) }),
      ...(gnupg === undefined ? {} : { keyring: keyringSource(gnupg) }),
    },
  };
}
