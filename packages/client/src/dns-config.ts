import type { UnsignedPolicy } from '@postern/protocol/dns';
import { checkedTogether } from '@postern/runtime';
import { dnsFields, type DnsConfig as ResolverConfig, refuseUnbelieved } from '@postern/runtime/dns';
import { z } from 'zod';

/** How domains are looked up. */
export interface DnsConfig extends ResolverConfig {
  readonly unsigned: UnsignedPolicy;
}

const section = checkedTogether(
  z.strictObject({
    ...dnsFields('system'),
    unsigned: z
      .enum(['refuse', 'trust-on-first-use'], { error: 'is "refuse" or "trust-on-first-use"' })
      .default('refuse'),
  }),
  refuseUnbelieved,
).transform(({ trust_anchors: trustAnchors, ...rest }): DnsConfig => ({ ...rest, trustAnchors }));

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
