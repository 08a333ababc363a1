import { parseAuthorityKey } from '@postern/protocol/consensus';
import { checkedTogether } from '@postern/runtime';
import { z } from 'zod';
import { majority, repeatedKeys, thresholdMistake } from './trust.ts';

/** Where a reader finds the directory, and whom they believe there, as it is configured. */
export interface DirectoryConfig {
  readonly urls: readonly string[];
  /** Verifier keys: `name+keyid+base64`. */
  readonly authorities: readonly string[];
  /** How many of them must have signed: a majority at least. */
  readonly threshold: number;
  /** Whether mirrors of nodes are asked as well; they are unless it says false. */
  readonly mirrors?: boolean;
}

const directoryUrl = z.url({
  protocol: /^https?$/,
  error: 'is no http or https URL; write for example "https://directory.example"',
});

const authorityKey = z.string().superRefine((vkey, context) => {
  try {
    parseAuthorityKey(vkey);
  } catch {
    context.addIssue({
      code: 'custom',
      message: 'is no authority key; copy the line name+keyid+key that the authority publishes',
    });
  }
});

const section = checkedTogether(
  z.strictObject({
    urls: z.array(directoryUrl).min(1, 'needs at least one URL'),
    authorities: z.array(authorityKey).min(1, 'needs at least one authority key'),
    threshold: z.int().min(1, 'is at least 1').optional(),
    mirrors: z.boolean().default(true),
  }),
  ({ authorities, threshold }, { say }) => {
    if (authorities === undefined) return;
    for (const { at, message } of repeatedKeys(
      authorities.map((vkey) => (vkey === undefined ? undefined : parseAuthorityKey(vkey))),
    ))
      say(['authorities', at], message);
    const message = threshold === undefined ? undefined : thresholdMistake({ authorities, threshold });
    if (message !== undefined) say(['threshold'], message);
  },
);

/** The section `directory` of a configuration; without a threshold a majority must have signed. */
export const directorySection: z.ZodType<DirectoryConfig> = section.transform(
  ({ urls, authorities, threshold = majority(authorities), mirrors }) => ({
    urls,
    authorities,
    threshold,
    ...(mirrors ? {} : { mirrors }),
  }),
);
