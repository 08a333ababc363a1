import type { SmtpServer } from '@postern/mail';
import { type DeliverContext, deliver } from './deliver/deliver.ts';
import { type ForwardContext, forward } from './forward/forward.ts';
import { type MixContext, mix } from './mix/mix.ts';
import { type PeelContext, peel } from './peel/peel.ts';
import { type QueueContext, queue, stored } from './queue/queue.ts';
import { type ReceiveContext, receive } from './receive/receive.ts';
import type { Spool, UnitKind } from './spool.ts';
import { chain, elsewhere, shared } from './stage.ts';
import { type Submissions, type SubmitContext, submit } from './submit/submit.ts';
import { type UnwrapContext, unwrap } from './unwrap/unwrap.ts';

/** What the stages need that this process runs. Others of the same node may run others. */
export interface PipelineContext {
  readonly spool: Spool;
  /** The units that the node's roles take. */
  readonly kinds: readonly UnitKind[];
  readonly receive?: ReceiveContext;
  readonly submit?: SubmitContext;
  readonly peel?: QueueContext & PeelContext;
  readonly unwrap?: QueueContext & UnwrapContext & DeliverContext;
  readonly forward?: MixContext & ForwardContext;
}

export interface Pipeline {
  readonly server: SmtpServer | undefined;
  readonly submissions: Submissions | undefined;
  /** Stops taking, then closes each stage in the order in which things go through them. */
  close(): Promise<void>;
}

/**
 * What a unit goes through, stage by stage. What each leaves is what the next one takes: a wrong order does not compile.
 * It waits on disk behind `queue` as an input, behind `peel` as a relay, behind `unwrap` as a fragment. Whatever leaves, a
 * mix's relays, authors' submissions and a gateway's reports, goes out by one way. There a line ends whose next stage runs in another process.
 */
export async function startPipeline({
  spool,
  kinds,
  receive: r,
  submit: s,
  peel: p,
  unwrap: u,
  forward: f,
}: PipelineContext): Promise<Pipeline> {
  const out = f && chain(mix(f), forward(f));
  const packet =
    p && chain(queue(p, packetQueue(p)), peel({ ...p, shelves: !out }), out ? shared(out) : elsewhere);
  const exit = u && chain(queue(u, exitQueue(u)), unwrap(u), deliver(u));
  const closeLines = async (): Promise<void> => {
    await Promise.all([packet?.close(), exit?.close()]);
    await out?.close();
  };
  const servers: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
    await closeLines();
  };
  try {
    const lines = kinds.map((kind) => [kind, { packet, exit }[kind] ?? stored(spool)]);
    const server = r && (await receive(r, Object.fromEntries(lines)));
    if (server !== undefined) servers.push(server);
    const submissions = s && (await submit(s));
    if (submissions !== undefined) servers.push(submissions);
    return { server, submissions, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Each worker has a batch in hand while the last one's outcome is being written and the next one's input read. */
const lanesPerWorker = 2;

function packetQueue({ peelWorkers }: PeelContext) {
  return { kind: 'packet', lanes: peelWorkers * lanesPerWorker, batch: 16 } as const;
}

function exitQueue({ unwrapWorkers }: UnwrapContext) {
  return { kind: 'exit', lanes: unwrapWorkers * lanesPerWorker, batch: 4 } as const;
}
