import {
  certificateOwner,
  type Evidence,
  type Finding,
  findingOf,
  textOwner,
  type UnsignedPolicy,
} from '@postern/protocol/dns';
import type { Resolver } from '@postern/runtime/dns';

export interface AskOptions {
  readonly resolver: Resolver;
  readonly unsigned: UnsignedPolicy;
  readonly known: Evidence['known'];
  /** Unix seconds. */
  now(): number;
  readonly signal: AbortSignal | undefined;
}

// spec dns 5.1
/** Both questions about a domain, and what comes of the answers. */
export async function ask(
  domain: string,
  { resolver, unsigned, known, now, signal }: AskOptions,
): Promise<{ answers: Pick<Evidence, 'text' | 'certificate'>; finding: Finding }> {
  const [text, certificate] = await Promise.all([
    resolver.resolve(textOwner(domain), 'TXT', signal),
    resolver.resolve(certificateOwner(domain), 'OPENPGPKEY', signal),
  ]);
  const answers = { text, certificate };
  return { answers, finding: findingOf({ domain, ...answers, known, unsigned, now: now() }) };
}
