import { type DirectoryClient, DirectoryError, type VerifiedConsensus } from '@postern/directory/client';
import type { Consensus } from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { ProtocolError } from '@postern/protocol/sealed';
import { type Clock, ExitCode } from '@postern/runtime';
import type { PublicKey } from 'openpgp';
import { type Audience, audience, type Gateways, gatewaysTo } from './compose/audience.ts';
import { type Composed, compose } from './compose/compose.ts';
import { domainOf } from './compose/gateway.ts';
import { isServed } from './compose/mode.ts';
import type { Consent } from './compose/reader.ts';
import type { ClientConfig } from './config.ts';
import type { Domains } from './domains/index.ts';
import { problemOf } from './faults.ts';
import { flawOf, type Keys, type LookupPolicy } from './keys/index.ts';
import type { Addressee, Draft, Problem, Reader, Returning, SendMode, TlsWish, Travel } from './message.ts';
import { type Path, type PathOptions, pathOf } from './path.ts';
import type { Work } from './pipeline.ts';
import { requireSealableFor } from './seal/seal.ts';

export interface PrepareOptions extends PathOptions {
  /** The mailbox to send from; the configured one when absent. */
  readonly as?: string | undefined;
  readonly sentCopy?: boolean | undefined;
  /** As configured when absent. */
  readonly mode?: SendMode | undefined;
  readonly tls?: TlsWish | undefined;
  readonly lookup?: LookupPolicy | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PrepareDeps {
  readonly config: ClientConfig;
  readonly keys: Keys;
  readonly domains: Domains;
  readonly directory: DirectoryClient;
  readonly clock: Clock;
  readonly random: { bytes(length: number): Uint8Array };
  /** Whether a gateway of the author's own gets what is made. */
  readonly gateway: boolean;
  /** It is an account at a provider that knows nothing of Postern: nobody takes reports there. */
  readonly account: boolean;
  readonly consent?: Consent | undefined;
  /** Whether there is anybody to look a recipient's key up with. */
  readonly findable: boolean;
  /** Whether a key that is found is pinned. */
  readonly pins: boolean;
}

/** What would go to one recipient. */
export interface Planned extends Pick<Addressee, 'mailbox' | 'key' | 'record'>, Travel {
  /** Whether the recipient's gateway can tell the author what it could not deliver. */
  readonly reports: boolean;
}

/** A message that could go, and that nothing was made of. */
export interface Plan {
  readonly kind: 'planned';
  readonly recipients: readonly Planned[];
  /** The author's mailbox, when all of it would be carried by an account at a provider that knows nothing of Postern. */
  readonly account?: string;
  readonly warnings: readonly string[];
}

export type Prepared =
  | {
      readonly kind: 'work';
      /** Asks for the passphrase of the author's key. */
      readonly work: () => Promise<Work>;
      readonly draft: Draft;
      readonly addressees: readonly Addressee[];
      /** Nothing when nobody could be told anything. */
      readonly returning: Returning | undefined;
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/** Makes every check that there is before anything is stored or sent, and tells every problem at once. */
export async function prepare(
  message: Uint8Array,
  options: PrepareOptions,
  { config, keys, domains, directory, clock, random, gateway, account, consent, findable, pins }: PrepareDeps,
): Promise<Prepared> {
  const now = new Date(clock.now());
  const sender = options.as ?? config.mailbox;
  const composed = compose(message, { sender, now, random });
  const own = await ownKey(sender, keys, now);
  const current = await currentConsensus(directory);
  const verified = current.kind === 'consensus' ? current.verified : undefined;
  const { mode = config.send.mode, tls = config.send.tls } = options;
  const { signal } = options;
  const { draft } = composed;
  const copyFor = await copyReader(draft, sender, keys, options.sentCopy ?? config.send.sentCopy);
  const ways =
    draft === undefined
      ? nowhere
      : await gatewaysTo(draft, {
          domains,
          now,
          mode,
          modeAsked: options.mode !== undefined,
          tls,
          gateway,
          account,
          consensus: verified?.consensus,
          signal,
        });
  // Whoever sends direct needs no consensus, whoever may send through mixes a valid one.
  const mixed = mode === 'mix' || ways.mixed;
  const path = mixed
    ? verified === undefined
      ? current
      : pathOf(verified, options, config, { now, account, out: await directory.out(verified) })
    : undefined;
  // All that can be said without the recipients' keys, so that no look-up is made for a message that does not go.
  const before = [...composed.problems, ...own.problems, ...ways.problems, ...(path?.problems ?? [])];
  const unsealable = sealingProblems(composed, copyFor === undefined ? [] : [copyFor], now);
  const mayAsk = before.length + unsealable.length === 0;
  const lookup = options.lookup ?? config.keys.lookup;
  const found =
    draft === undefined
      ? nobody
      : await audience(draft, ways, { keys, now, lookup, consent, findable, pins, signal }, mayAsk);
  const readers = copyFor === undefined ? found.addressees : [copyFor, ...found.addressees];
  const sealing = sealingProblems(composed, readers, now);
  const problems = [...before, ...sealing, ...found.problems];
  if (problems.length > 0 || draft === undefined) return { kind: 'refused', problems };
  const way = wayOf(path);
  const warnings = [...ways.warnings, ...found.warnings, ...(way?.warnings ?? [])];
  const returning =
    gateway && !account
      ? await returningTo(domainOf(config.mailbox), verified?.consensus, domains)
      : undefined;
  return {
    kind: 'work',
    returning,
    warnings,
    draft,
    addressees: found.addressees,
    work: async () => ({
      draft,
      addressees: found.addressees,
      signingKey: await keys.signingKey(sender),
      copyFor,
      expiryMs: config.send.expiryMs,
      geometry: verified?.geometry ?? defaultGeometry,
      mixing: way?.mixing,
      returning,
    }),
  };
}

const nowhere: Gateways = { byDomain: new Map(), mixed: false, problems: [], warnings: [] };
const nobody: Audience = { addressees: [], problems: [], warnings: [] };

function wayOf(path: Path | CurrentConsensus | undefined): Extract<Path, { kind: 'path' }> | undefined {
  return path?.kind === 'path' ? path : undefined;
}

/** Reports come to the domain of the configured mailbox, whichever another it is sent from: that is who logs in. */
async function returningTo(
  domain: string,
  consensus: Consensus | undefined,
  domains: Domains,
): Promise<Returning> {
  return { domain, served: consensus !== undefined && (await isFound(domain, consensus, domains)) };
}

/** By a last mix. Nobody is asked about the author's own domain just for this: what is known of it has to do. */
async function isFound(domain: string, consensus: Consensus, domains: Domains): Promise<boolean> {
  if (isServed(domain, consensus)) return true;
  const { remembered } = await domains.held(domain);
  const known = remembered?.known;
  return known?.vouchedBy === 'dnssec' && known.record.mix;
}

/** Said before any passphrase is asked for: sealing would find the same, and would need the key first. */
function sealingProblems({ draft, problems }: Composed, readers: readonly Reader[], now: Date): Problem[] {
  // One that is too long was not read to its end.
  if (draft === undefined || problems.some(({ code }) => code === 'too-large')) return [];
  try {
    requireSealableFor(draft, readers, now);
    return [];
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [problemOf(error)];
  }
}

/** Said of the author before any passphrase is asked for: a key that cannot sign is no fault of the recipients. */
async function ownKey(sender: string, keys: Keys, now: Date): Promise<{ problems: Problem[] }> {
  if (await keys.owns(sender)) {
    const certificate = await keys.certificate(sender);
    const flaw = certificate && ((await flawOf(certificate, now)) ?? (await cannotSign(certificate, now)));
    if (flaw === undefined) return { problems: [] };
    const hint = `Renew it and: postern keys import --replace FILE. Or make another: postern keys generate --replace ${sender}`;
    const message = `your own key of ${sender} ${flaw}`;
    return {
      problems: [{ code: 'unusable-own-key', mailbox: sender, message, hint, exitCode: ExitCode.dataError }],
    };
  }
  const hint = `Make one: postern keys generate ${sender}. Or bring yours: postern keys import FILE`;
  const message = `there is no secret key of ${sender}`;
  return { problems: [{ code: 'no-own-key', mailbox: sender, message, hint, exitCode: ExitCode.dataError }] };
}

async function cannotSign(certificate: PublicKey, now: Date): Promise<string | undefined> {
  return certificate.getSigningKey(undefined, now).then(
    () => undefined,
    () => 'has no key that signs now',
  );
}

type CurrentConsensus =
  | { readonly kind: 'consensus'; readonly verified: VerifiedConsensus; readonly problems: readonly [] }
  | { readonly kind: 'none'; readonly problems: readonly Problem[] };

/** Fails closed: whatever is wrong with the consensus is a problem, never a reason to go without. */
async function currentConsensus(directory: DirectoryClient): Promise<CurrentConsensus> {
  try {
    return { kind: 'consensus', verified: await directory.current(), problems: [] };
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    const { message, hint, exitCode } = error;
    return { kind: 'none', problems: [{ code: 'no-consensus', message, hint, exitCode }] };
  }
}

/** The author as the reader of their own copy, if one is kept. */
async function copyReader(
  draft: Draft | undefined,
  sender: string,
  keys: Keys,
  wanted: boolean,
): Promise<Reader | undefined> {
  if (draft === undefined || !wanted) return undefined;
  const certificate = await keys.certificate(sender);
  return certificate === undefined
    ? undefined
    : { mailbox: draft.from, domain: domainOf(draft.from), certificate };
}
