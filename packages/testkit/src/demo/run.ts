import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '@postern/client';
import type { Transfer } from '../adversary/smtp-wire.ts';
import { watchTransfers } from '../adversary/smtp-wire.ts';
import type { Chunk, TapOptions, TappedConnection } from '../adversary/tap.ts';
import { TestkitError } from '../errors.ts';
import { castOf } from '../knowledge/cast.ts';
import { gatherFromTestnet } from '../knowledge/gather.ts';
import { createJudge, type Knowledge } from '../knowledge/judge.ts';
import { createLookout } from '../knowledge/lookout.ts';
import { publishedBy } from '../knowledge/published.ts';
import { secretsOf } from '../knowledge/secrets.ts';
import { createSnapshots, type Snapshots } from '../knowledge/snapshots.ts';
import { type Letter, writeLetter } from '../message/letter.ts';
import { clientOf, type Person, readMaildir } from '../people/person.ts';
import { gatewayName } from '../testnet/options.ts';
import { startTestnet, type Testnet } from '../testnet/testnet.ts';
import { until } from '../until.ts';
import { matchTransfers, type Way } from './match.ts';

/** What the demo tells while it runs. */
export type Event =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'transfer'; readonly transfer: Transfer; readonly sinceMs: number };

/** What came of it. */
export interface Outcome {
  readonly author: string;
  readonly recipient: string;
  readonly delivered: boolean;
  /** Whether what the recipient opened is what the author wrote, byte for byte, and the signature is the author's. */
  readonly intact: boolean;
  readonly ways: readonly Way[];
  /** The mixes of each layer, whether a packet came by or not. */
  readonly layers: readonly (readonly string[])[];
  readonly gateway: string;
  readonly packetBytes: number;
  /** Different sizes of a message on any wire. */
  readonly wireSizes: readonly number[];
  /** From the order to send to the delivery. */
  readonly elapsedMs: number;
  readonly knowledge: Knowledge;
  /** The message as it was delivered, and as it was opened. */
  readonly deliveredPath: string;
  readonly openedPath: string;
}

export interface DemoOptions {
  readonly dir: string;
  readonly onEvent: (event: Event) => void;
  readonly signal: AbortSignal;
}

const attachmentBytes = 40_000;
const deliveryDeadlineMs = 40_000;

/** Starts a network, sends a letter through it, and searches everything that anybody had of it. */
export async function runDemo({ dir, onEvent, signal }: DemoOptions): Promise<Outcome> {
  const watch = watchNetwork(onEvent);
  await using net = await startTestnet(
    { dir, taps: true },
    {
      signal,
      onStep: (text) => onEvent({ kind: 'step', text: `starting: ${text}` }),
      onTraffic: watch.onTraffic,
      hold: watch.hold,
    },
  );
  watch.net = net;
  const author = net.person('alice@a.test');
  const recipient = net.person('bob@b.test');
  await using alice = clientOf(author);
  const letter = writeLetter({
    from: author.mailbox,
    to: [recipient.mailbox],
    date: new Date(),
    attachmentBytes,
  });
  await writeFile(join(author.home, 'letter.eml'), letter.message);

  onEvent({ kind: 'step', text: `${author.mailbox} writes to ${recipient.mailbox}: ${describe(letter)}` });
  const began = Date.now();
  watch.began = began;
  const sent = await alice.send(letter.message, {
    signal,
    onProgress: (progress) => onEvent({ kind: 'progress', progress }),
  });
  if (sent.kind === 'refused') throw new Error(sent.problems.map(({ message }) => message).join('; '));
  const paths = sent.recipients.flatMap((one) => one.paths);

  const arrived = await until(async () => (await readMaildir(recipient.maildir))[0], {
    what: 'the letter is delivered',
    deadlineMs: deliveryDeadlineMs,
    signal,
  }).catch((error: unknown) => {
    if (error instanceof TestkitError) return undefined;
    throw error;
  });
  const elapsedMs = Date.now() - began;
  onEvent({ kind: 'step', text: 'searching everything that everybody stored, logged and sent' });
  const openedPath = join(recipient.home, 'opened.eml');
  const intact =
    arrived !== undefined && (await openAndCompare(recipient, arrived.bytes, letter, openedPath));

  const { consensus } = await alice.route();
  const named = (wanted: boolean): string[] =>
    net.members.filter(({ role }) => (role === 'authority') === wanted).map(({ name }) => name);
  const cast = castOf({
    author,
    recipient,
    paths,
    gatewayOf: gatewayName,
    nodes: named(false),
    authorities: named(true),
  });
  await watch.snapshotsDone();
  const evidence = await gatherFromTestnet(net, cast, watch.snapshots);
  const published = await publishedBy(
    net.describe().directory.urls[0] ?? '',
    net.members.find(({ role }) => role === 'authority')?.tap?.connections ?? [],
  );
  const facts = await secretsOf(cast, letter.telltales, alice, consensus);
  const knowledge = createJudge({ cast, facts, published })(evidence.pieces);
  const layers = Array.from({ length: consensus.geometry.hops }, (_, at) =>
    consensus.nodes
      .filter(({ layer }) => layer === at + 1)
      .map(({ name }) => name)
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true })),
  );
  return {
    author: author.mailbox,
    recipient: recipient.mailbox,
    delivered: arrived !== undefined,
    intact,
    ways: matchTransfers(paths, watch.transfers, { from: author.domain, to: gatewayName(recipient.domain) }),
    layers,
    gateway: gatewayName(recipient.domain),
    packetBytes: consensus.geometry.packetBytes,
    wireSizes: [...new Set(watch.transfers.map(({ bytes }) => bytes))].sort((a, b) => a - b),
    elapsedMs,
    knowledge,
    deliveredPath: arrived?.path ?? '',
    openedPath,
  };
}

interface Watch {
  net: Testnet | undefined;
  began: number;
  readonly transfers: readonly Transfer[];
  readonly snapshots: Snapshots;
  readonly onTraffic: (connection: TappedConnection, chunk: Chunk) => void;
  readonly hold: NonNullable<TapOptions['hold']>;
  snapshotsDone(): Promise<void>;
}

/** Sees every message that is handed over, and looks at once at what its taker has on its disk now. */
function watchNetwork(onEvent: (event: Event) => void): Watch {
  const transfers: Transfer[] = [];
  const snapshots = createSnapshots();
  const watchers = new Map<TappedConnection, (chunk: Chunk) => void>();
  const pending = new Set<Promise<unknown>>();
  const watch: Watch = {
    net: undefined,
    began: 0,
    transfers,
    snapshots,
    hold: createLookout(snapshots, (name) => watch.net?.members.find((member) => member.name === name)),
    onTraffic(connection, chunk) {
      let watcher = watchers.get(connection);
      if (watcher === undefined) {
        watcher = watchTransfers(connection.name, onTransfer);
        watchers.set(connection, watcher);
      }
      watcher(chunk);
    },
    async snapshotsDone() {
      await Promise.all(pending);
    },
  };
  const onTransfer = (transfer: Transfer): void => {
    transfers.push(transfer);
    onEvent({ kind: 'transfer', transfer, sinceMs: transfer.endedMs - watch.began });
    const folder = watch.net?.member(transfer.to).folder;
    if (folder === undefined) return;
    const taking = snapshots.take(transfer.to, folder).finally(() => pending.delete(taking));
    pending.add(taking);
  };
  return watch;
}

async function openAndCompare(
  recipient: Person,
  sealed: Uint8Array,
  letter: Letter,
  openedPath: string,
): Promise<boolean> {
  await using bob = clientOf(recipient);
  const opened = await bob.open(sealed);
  if (opened.kind !== 'opened') return false;
  await writeFile(openedPath, opened.message, { mode: 0o600 });
  return opened.vouched && letter.message.equals(await readFile(openedPath));
}

function describe({ message, attachment }: Letter): string {
  return `${message.length.toLocaleString('en')} bytes, with HTML and an attachment of ${attachment.bytes.length.toLocaleString('en')} bytes`;
}
