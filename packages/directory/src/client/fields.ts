import { parseAuthorityKey } from '@postern/protocol/consensus';
import { z } from 'zod';
import { majority, thresholdMistake } from './trust.ts';

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

/** The section `directory` of a configuration; without a threshold a majority must have signed. */
export const directorySection: z.ZodType<DirectoryConfig> = z
  .strictObject({
    urls: z.array(directoryUrl).min(1, 'needs at least one URL'),
    authorities: z.array(authorityKey).min(1, 'needs at least one authority key'),
    threshold: z.int().min(1, 'is at least 1').optional(),
    mirrors: z.boolean().default(true),
  })
  .transform(({ urls, authorities, threshold = majority(authorities), mirrors }, context) => {
    const message = thresholdMistake({ authorities, threshold });
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['threshold'], message });
    return { urls, authorities, threshold, ...(mirrors ? {} : { mirrors }) };
  });
