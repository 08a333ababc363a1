import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { type Endpoint, endpoint, type Holding, type Together } from '../config.ts';
import { isLoopback } from './stub.ts';

/** How names are looked up. */
export interface DnsConfig {
  /** `system`: what `/etc/resolv.conf` says. `none`: nobody is asked. */
  readonly resolver: Endpoint | 'system' | 'none';
  /** Who validates DNSSEC: the resolver, if it is on loopback, or this program. */
  readonly validate: 'resolver' | 'in-process';
  /** The root's keys: IANA's, or a file of them. */
  readonly trustAnchors: 'iana' | { readonly file: string };
}

const resolver = z.union([z.enum(['system', 'none']), endpoint], {
  error: 'is no resolver; write "system", "none", or for example "127.0.0.1:53"',
});

const trustAnchors = z
  .string()
  .refine(
    (text) => text === 'iana' || isAbsolute(text),
    'is no absolute path, nor "iana"; write for example "/usr/share/dns/root.key"',
  )
  .transform((text): DnsConfig['trustAnchors'] => (text === 'iana' ? text : { file: text }));

/** Schemas of the keys of a section `[dns]` that every program has. */
export interface DnsFields {
  readonly resolver: z.ZodDefault<z.ZodType<DnsConfig['resolver']>>;
  readonly validate: z.ZodDefault<z.ZodType<DnsConfig['validate']>>;
  readonly trust_anchors: z.ZodPrefault<z.ZodType<DnsConfig['trustAnchors'], string>>;
}

/** `byDefault`: who is asked when the section does not say. */
export function dnsFields(byDefault: 'system' | 'none'): DnsFields {
  return {
    resolver: resolver.default(byDefault),
    validate: z
      .enum(['resolver', 'in-process'], { error: 'is "resolver" or "in-process"' })
      .default('resolver'),
    trust_anchors: trustAnchors.prefault('iana'),
  };
}

/** Refuses a resolver whose word would not be taken: that of one beyond loopback. For `checkedTogether`. */
export function refuseUnbelieved(
  { resolver: asked, validate }: Holding<Pick<DnsConfig, 'resolver' | 'validate'>>,
  { say }: Pick<Together, 'say'>,
): void {
  if (asked === undefined || typeof asked === 'string' || validate !== 'resolver' || isLoopback(asked.host))
    return;
  say(
    ['resolver'],
    'is not on loopback, so its word that an answer is proven is not taken; add validate = "in-process"',
  );
}
