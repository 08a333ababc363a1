import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { type LookupSource, lookupSources } from './pins.ts';

export const lookupPolicies = ['ask', 'never', 'always'] as const;
/** Whether `send` looks for the key of a recipient who has none here: it shows others who is written to. */
export type LookupPolicy = (typeof lookupPolicies)[number];

export interface KeysConfig {
  readonly lookup: LookupPolicy;
  readonly order: readonly LookupSource[];
  /** The person's GnuPG home; the source `keyring` has nothing without. */
  readonly gnupg?: string;
}

const section = z
  .strictObject({
    lookup: z.enum(lookupPolicies, { error: 'is "ask", "never" or "always"' }).default('ask'),
    order: z
      .array(z.enum(lookupSources, { error: 'is "dns", "wkd" or "keyring"' }))
      .refine((order) => new Set(order).size === order.length, 'names a source twice')
      .default([...lookupSources]),
    gnupg: z
      .string()
      .transform((path) => (path.startsWith('~/') ? join(homedir(), path.slice(2)) : path))
      .refine(isAbsolute, 'begins with / or ~/')
      .optional(),
  })
  .transform(({ gnupg, ...rest }): KeysConfig => ({ ...rest, ...(gnupg === undefined ? {} : { gnupg }) }));

/** Data into the section, strictly. */
export const keysConfig: z.ZodType<KeysConfig, Record<string, unknown>> = section as never;

/** The section of `config.toml` with its defaults as comments. */
export const keysComment = `[keys]
# Whether send looks for the key of a recipient who has none here: "ask", "never" or "always". It shows your resolver and the
# recipient's domain who is written to, and when; postern keys find does it ahead of time.
# lookup = "ask"
# Where, in this order: OPENPGPKEY in DNS, the domain's Web Key Directory, your GnuPG keyring.
# order = ["dns", "wkd", "keyring"]
# The home of that keyring, where one is to be read: gnupg = "~/.gnupg"

`;
