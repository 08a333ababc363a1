import { setTimeout as pause } from 'node:timers/promises';
import { type Random, uniform } from '@postern/protocol/primitives';
import type { Council } from './authorities.ts';
import { describe, type Mix, mixes, mixOf, post } from './mixes.ts';

/** Descriptors that come to all authorities without end, of more nodes than there are and of nobody. */
export interface Flood extends AsyncDisposable {
  /** How often an authority has taken one that holds, and refused one that does not for what is wrong with it. */
  readonly taken: number;
  readonly refused: number;
  /** Every other answer, and to what. */
  readonly strange: readonly string[];
}

/** How many nodes register anew, one after the other; with each new one the oldest stops. */
export const nodesFlooding = 40;
/** One of how many descriptors that hold is of a new node. */
const newOneIn = 8;
/** So many at a time, each once in so many milliseconds: five processes and this one share two processors. */
const lanes = 4;
const everyMs = 500;
/** By how much later one authority gets it than another: some have it in their vote, and others do not yet. */
const spreadMs = 300;

/** Makes descriptors that no authority takes, by why it does not. */
type Wrongs = Readonly<Record<string, (mix: Mix, now: number) => string>>;

function wrongsOf(epochSeconds: number): Wrongs {
  const of = (mix: Mix, change = {}): string => describe(mix, epochSeconds, change);
  return {
    malformed: ({ name }) => `this is no descriptor of ${name}\n`.repeat(30),
    'bad-signature': (mix) => altered(of(mix)),
    'bad-certificate': (mix) =>
      of({ ...mix, members: { ...mix.members, certificate: another.members.certificate } }),
    'from-the-future': (mix, now) => of(mix, { published: now + 3_600 }),
    'too-old': (mix, now) => of(mix, { published: now - 100 * epochSeconds }),
    'name-taken': (mix) => of(mix, { name: another.name }),
  };
}

const [another] = mixes as [Mix, ...Mix[]];

/** With another letter in its signature. */
function altered(descriptor: string): string {
  const at = descriptor.length - 20;
  return `${descriptor.slice(0, at)}${descriptor[at] === 'A' ? 'B' : 'A'}${descriptor.slice(at + 1)}`;
}

/** Floods until it is ended. */
export function flood({ authorities, epochSeconds }: Council, random: Random): Flood {
  const over = new AbortController();
  const { signal } = over;
  const strange: string[] = [];
  let [taken, refused] = [0, 0];
  const wrongs = Object.entries(wrongsOf(epochSeconds));
  const nodes: Mix[] = [];
  let [made, said] = [0, 0];

  const nextNode = (): Mix => {
    said += 1;
    const oldest = nodes.length < nodesFlooding ? undefined : nodes.shift();
    const node = oldest === undefined || said % newOneIn === 0 ? mixOf(`flood${++made}.test`) : oldest;
    nodes.push(node);
    return node;
  };
  const hear = (answer: string | undefined, wanted: string): void => {
    if (answer === undefined) return;
    if (answer !== wanted) strange.push(`${answer} to what is ${wanted}`);
    else if (wanted === 'taken') taken += 1;
    else refused += 1;
  };
  const toAll = async (descriptor: string, wanted: string): Promise<void> => {
    const toOne = async (url: string): Promise<void> => {
      await pause(uniform(random) * spreadMs);
      hear(await post(url, descriptor), wanted);
    };
    await Promise.all(authorities.map(({ url }) => toOne(url)));
  };
  const lane = async (): Promise<void> => {
    for (let turn = 0; !signal.aborted; turn++) {
      const next = performance.now() + everyMs;
      const [wanted, make] = wrongs[Math.floor(turn / 2) % wrongs.length] as (typeof wrongs)[number];
      if (turn % 2 === 0) await toAll(describe(nextNode(), epochSeconds), 'taken');
      else await toAll(make(mixOf(`nobody${++made}.test`), Math.floor(Date.now() / 1_000)), wanted);
      await pause(Math.max(0, next - performance.now()), undefined, { signal }).catch(() => undefined);
    }
  };
  const running = Promise.all(Array.from({ length: lanes }, lane));
  return {
    get taken() {
      return taken;
    },
    get refused() {
      return refused;
    },
    strange,
    async [Symbol.asyncDispose]() {
      over.abort();
      await running;
    },
  };
}
