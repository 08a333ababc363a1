import type { PolicyStore } from '@postern/mail';
import type { Clock, Random } from '@postern/runtime';
import type { Resolver } from '@postern/runtime/dns';
import type { NodeConfig } from './config.ts';
import { createDestinations, type Destinations, type DestinationsContext } from './destinations.ts';
import { createNames, type Names } from './names.ts';
import { policiesInMemory } from './policy-store.ts';
import type { Exchangers, Whose } from './ways.ts';

export interface LookUpsContext {
  readonly clock: Clock;
  readonly random: Random;
  /** Without it nothing is looked up. */
  readonly resolver: Resolver | undefined;
  /** A gateway's, of the domains that it writes to for its own domain. */
  readonly policies: PolicyStore | undefined;
}

/** What a node asks DNS, in lines of which none waits for another. */
export interface LookUps {
  /** None for a node without a resolver. */
  readonly names: Names | undefined;
  /** None for a node that is no mix, or that looks up nothing for exits. */
  readonly exits: Destinations | undefined;
  /** None for a node that is no gateway, or has a smarthost. */
  readonly exchangers: Readonly<Record<Whose, Exchangers>> | undefined;
  /** Ends all questions of the lines. */
  close(): Promise<void>;
}

export function createLookUps(
  { name, roles, smtp, mix, delivery, submission }: NodeConfig,
  { clock, random, resolver, policies }: LookUpsContext,
): LookUps {
  const lines: Destinations[] = [];
  const line = (lookUp: DestinationsContext['lookUp']): Destinations => {
    const made = createDestinations({ clock, random, lookUp });
    lines.push(made);
    return made;
  };
  const exchangersBy = ({ findPeers }: Names): Exchangers => ({
    require: line((domain, signal) => findPeers(domain, 'require', signal)),
    prefer: line((domain, signal) => findPeers(domain, 'prefer', signal)),
  });
  const { ehlo, allowPrivate } = smtp;
  const asked = resolver && { clock, random, resolver, ownNames: [name, ehlo], allowPrivate };
  const names = asked && createNames({ ...asked, policies: policies ?? policiesInMemory() });
  const direct = delivery !== undefined && submission?.smarthost === undefined;
  const exchangers =
    names && direct ? { authors: exchangersBy(names), others: exchangersBy(names) } : undefined;
  // A gateway keeps what it was told; a mix, which knows the domain of packets alone, keeps nothing of it.
  const byDns = roles.includes('mix') && mix.exitByDns;
  const exitNames = asked && byDns ? createNames({ ...asked, policies: policiesInMemory() }) : undefined;
  const exits = exitNames && line(exitNames.findExit);
  const close = async (): Promise<void> => {
    await Promise.all(lines.map((one) => one.close()));
  };
  return { names, exits, exchangers, close };
}
