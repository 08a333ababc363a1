import { parseAuthorityKey } from '@postern/protocol/consensus';
import { z } from 'zod';

/** A directory's URL in a configuration. */
export const directoryUrl: z.ZodType<string, string> = z.url({
  protocol: /^https?$/,
  error: 'is no http or https URL; write for example "https://directory.example"',
});

/** An authority's verifier key in a configuration: `name+keyid+base64`. */
export const authorityKey: z.ZodType<string, string> = z.string().superRefine((vkey, context) => {
  try {
    parseAuthorityKey(vkey);
  } catch {
    context.addIssue({
      code: 'custom',
      message: 'is no authority key; copy the line name+keyid+key that the authority publishes',
    });
  }
});
