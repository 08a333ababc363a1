import type { SmtpServer } from '@postern/mail';
import { type DeliverContext, deliver } from './deliver/deliver.ts';
import { type ForwardContext, forward } from './forward/forward.ts';
import { type MixContext, mix } from './mix/mix.ts';
import { type PeelContext, peel } from './peel/peel.ts';
import { type QueueContext, queue } from './queue/queue.ts';
import { type ReceiveContext, receive } from './receive/receive.ts';
import { chain, shared } from './stage.ts';
import { type Submissions, type SubmitContext, submit } from './submit/submit.ts';
import { type UnwrapContext, unwrap } from './unwrap/unwrap.ts';

/** What the stages need, for the roles that the node has. */
export interface PipelineContext {
  readonly receive: ReceiveContext;
  readonly out: MixContext & ForwardContext;
  readonly mix?: QueueContext & PeelContext;
  readonly delivery?: QueueContext & UnwrapContext & DeliverContext;
  readonly submit?: SubmitContext;
}

export interface Pipeline {
  readonly server: SmtpServer;
  readonly submissions: Submissions | undefined;
  /** Stops taking, then closes each stage in the order in which things go through them. */
  close(): Promise<void>;
}

/**
 * What a unit goes through, stage by stage. What each leaves is what the next one takes: a wrong order does not compile.
 * It waits on disk behind `queue` as an input, behind `peel` as a relay, behind `unwrap` as a fragment. Whatever leaves, a
 * mix's relays, authors' submissions and a gateway's reports, goes out by one way.
 */
export async function startPipeline({
  receive: front,
  out: o,
  mix: m,
  delivery: d,
  submit: s,
}: PipelineContext): Promise<Pipeline> {
  const out = chain(mix(o), forward(o));
  const packets = m && chain(queue(m, packetQueue(m)), peel(m), shared(out));
  const exits = d && chain(queue(d, exitQueue(d)), unwrap(d), deliver(d));
  const lines = { ...(packets && { packet: packets }), ...(exits && { exit: exits }) };
  const closeLines = async (): Promise<void> => {
    await Promise.all(Object.values(lines).map((line) => line.close()));
    await out.close();
  };
  const servers: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
    await closeLines();
  };
  try {
    const server = await receive(front, lines);
    servers.push(server);
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
