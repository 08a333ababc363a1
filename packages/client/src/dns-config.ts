import { isAbsolute } from 'node:path';
import type { UnsignedPolicy } from '@postern/protocol/dns';
import { type Endpoint, endpoint } from '@postern/runtime';
import { isLoopback } from '@postern/runtime/dns';
import { z } from 'zod';

/** How domains are looked up. */
export interface DnsConfig {
  /** `system`: what `/etc/resolv.conf` says. `none`: only what is pinned counts. */
  readonly resolver: Endpoint | 'system' | 'none';
  /** Who validates DNSSEC: the resolver, if it is on loopback, or this program. */
  readonly validate: 'resolver' | 'in-process';
  /** The root's keys: IANA's, or a file of them. */
  readonly trustAnchors: 'iana' | { readonly file: string };
  readonly unsigned: UnsignedPolicy;
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
  .transform((text) => (text === 'iana' ? text : { file: text }));

const section = z
  .strictObject({
    resolver: resolver.default('system'),
    validate: z
      .enum(['resolver', 'in-process'], { error: 'is "resolver" or "in-process"' })
      .default('resolver'),
    trust_anchors: trustAnchors.prefault('iana'),
    unsigned: z
      .enum(['refuse', 'trust-on-first-use'], { error: 'is "refuse" or "trust-on-first-use"' })
      .default('refuse'),
  })
  .superRefine(({ resolver: asked, validate }, context) => {
    if (typeof asked === 'string' || validate === 'in-process' || isLoopback(asked.host)) return;
    const message = `is not on loopback, so its word that an answer is proven is not taken; add validate = "in-process"`;
    context.addIssue({ code: 'custom', path: ['resolver'], message });
  })
  .transform(
    ({ trust_anchors, ...rest }): DnsConfig => ({
      ...rest,
      trustAnchors: trust_anchors === 'iana' ? 'iana' : trust_anchors,
    }),
  );

/** Data into the section, strictly. */
export const dnsConfig: z.ZodType<DnsConfig, Record<string, unknown>> = section as never;

/** The section of `config.toml` with its defaults as comments. */
export function formatDnsConfig(given: string | undefined): string {
  return `[dns]
# Who is asked for the record of a domain that is not pinned: "system" for what /etc/resolv.conf says, "none" for nobody, or for
# example "127.0.0.1:53". Whoever it is learns the domains that you write to: see postern domain prefetch.
${given === undefined ? '# resolver = "system"' : `resolver = ${JSON.stringify(given)}`}
# Who validates DNSSEC: "resolver", whose word is taken only from loopback, or "in-process", this program itself.
# validate = "resolver"
# The root's keys for in-process validation: "iana", or a file such as /usr/share/dns/root.key.
# trust_anchors = "iana"
# What to do about domains whose zones nobody signs: "refuse", or "trust-on-first-use".
# unsigned = "refuse"
`;
}
