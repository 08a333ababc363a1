import { createDkimSigner, type DkimSigner, dkimOwner, dkimRecord } from '@postern/mail';
import type { Clock, Log } from '@postern/runtime';
import { isOnlyRecord, loadDkimKeys } from './keys/dkim-keys.ts';
import type { Loaded } from './keys/loaded.ts';
import { dkimRing, type Ring, utc } from './keys/ring.ts';
import { type Loop, together } from './loop.ts';
import type { Names } from './names.ts';
import { type Publication, type PublicationWatch, watchPublication } from './publication.ts';
import { openRotation } from './rotation.ts';

export interface DkimContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  readonly domain: string;
}

/** A DKIM key as `status` shows it. */
export interface DkimKeyStatus {
  readonly selector: string;
  readonly phase: 'next' | 'signs' | 'before';
  /** When the next one signs at the earliest, or the one before is destroyed. */
  readonly until?: string;
  /** Of a next one whose time has come: what DNS says of its record, and of those that go with it. */
  readonly publication?: Publication;
}

/** Signs with the keys in force. */
export interface Dkim {
  readonly signer: DkimSigner;
  /** The next ones if there are any, those that sign, those before. */
  status(): readonly DkimKeyStatus[];
  /** Takes up other keys when it is their time and DNS has their records: never for a node without a resolver, whose log says so. */
  start(names: Pick<Names, 'lookupTxt'> | undefined): Loop;
}

interface DkimKeys {
  readonly selectors: readonly string[];
  readonly signer: DkimSigner;
  readonly records: readonly { readonly owner: string; readonly text: string }[];
}

/** Between the publication of the records and their use; a resolver remembers longer that there are none. */
const askedEveryMs = 10_000;

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function openDkim({ clock, log, dataDir, domain }: DkimContext): Promise<Dkim> {
  const load = async (dir: string): Promise<DkimKeys> => {
    const keys = await loadDkimKeys(dir, domain);
    const records = keys.map((key) => ({ owner: dkimOwner(domain, key), text: dkimRecord(key) }));
    const selectors = keys.map(({ selector }) => selector);
    return { selectors, signer: createDkimSigner({ domain, keys }), records };
  };
  const rotation = await openRotation({ clock, log, dataDir, kind: dkimRing, what: 'DKIM', load });
  let watch: PublicationWatch | undefined;
  const due = (): Loaded<DkimKeys> | undefined => {
    const { next } = rotation.keys();
    return next !== undefined && next.at * 1_000 <= clock.now() ? next : undefined;
  };
  const publication = (): Publication => watch?.current() ?? 'unknown';
  return {
    status: () => statusOf(rotation.keys(), due() && publication()),
    signer: { sign: (...message) => rotation.keys().current.value.signer.sign(...message) },
    start(names) {
      watch = watchPublication<DkimKeys>({
        clock,
        log,
        everyMs: askedEveryMs,
        warning:
          names === undefined
            ? 'the next DKIM keys never sign, since the configuration has nobody ask DNS for their records: name a resolver in [dns], or take them back with postern-node dkim rotate --discard'
            : 'DNS lacks records of the next DKIM keys: publish what postern-node dns zone prints; the present ones sign until then',
        // Without anybody to ask there is nothing to wait for.
        subject: names === undefined ? () => rotation.keys().next : due,
        async ask({ value }, signal) {
          if (names === undefined) throw new Error('nobody can be asked');
          const found = await Promise.all(value.records.map(({ owner }) => names.lookupTxt(owner, signal)));
          return value.records.every(({ text }, at) => isOnlyRecord(text, found[at]));
        },
      });
      const rotating = rotation.start({
        mayPromote: () => publication() === 'published',
        mayForget: () => true,
      });
      return together(watch, rotating);
    },
  };
}

function statusOf(
  { next, current, previous }: Ring<Loaded<DkimKeys>>,
  publication: Publication | undefined,
): DkimKeyStatus[] {
  const each = ({ value }: Loaded<DkimKeys>, status: Omit<DkimKeyStatus, 'selector'>): DkimKeyStatus[] =>
    value.selectors.map((selector) => ({ selector, ...status }));
  const waits = publication === undefined ? {} : { publication };
  return [
    ...(next === undefined ? [] : each(next, { phase: 'next', until: utc(next.at), ...waits })),
    ...each(current, { phase: 'signs' }),
    ...previous.flatMap((one) => each(one, { phase: 'before', until: utc(one.until) })),
  ];
}
