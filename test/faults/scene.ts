import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Member, until } from '@postern/testkit';
import { type Author, startAuthor } from './author.ts';
import { type Cascade, type Store, startCascade } from './cascade.ts';
import { type Counting, nodesOf, watchEvidence } from './evidence.ts';
import { judge, type Verdict } from './judge.ts';

/** A cascade that notes cross without end, and what may go wrong around its nodes. */
export interface Scene extends AsyncDisposable {
  readonly cascade: Cascade;
  readonly author: Author;
  /** Kills a node as a fault would. */
  kill(node: Pick<Member, 'process'>): Promise<void>;
  /** Counts what a process takes that is no part of the network, until it ends. */
  count(process: Counting): Disposable;
  /** The clock of a node is wrong from now on, by so many milliseconds. */
  shiftClock(node: Member, ms: number): Promise<void>;
  /** Waits until the first mix has put hand-overs off, has `mend` mend why, and waits until it goes on. Resolves to how many it put off. */
  whilePutOff(mend: () => unknown): Promise<number>;
  /** Hands nothing more over, and judges. */
  end(): Promise<Verdict>;
}

const shiftedClock = fileURLToPath(new URL('./shifted-clock.ts', import.meta.url));
/** Notes on their way at one time. */
const underWay = 24;
/** Notes that have to arrive for something to have gone on. */
export const some = 20;

export async function openScene(store: Store): Promise<Scene> {
  await using opened = new AsyncDisposableStack();
  const own = process.env.NODE_OPTIONS ?? '';
  process.env.NODE_OPTIONS = `${own} --import=${shiftedClock}`;
  opened.defer(() => {
    process.env.NODE_OPTIONS = own;
  });
  const cascade = opened.use(await startCascade(store));
  const others = new Set<Counting>();
  const watchful = opened.use(watchEvidence(() => [...nodesOf(cascade.net.describe()), ...others]));
  const over = new AbortController();
  opened.defer(() => over.abort());
  const author = opened.use(startAuthor(cascade, over.signal));
  author.keep(underWay);
  await author.progress();
  const running = opened.move();
  return {
    cascade,
    author,
    async kill({ process }) {
      await watchful.look(process.pid);
      process.kill();
    },
    count(process) {
      others.add(process);
      return { [Symbol.dispose]: () => void others.delete(process) };
    },
    async shiftClock({ name, folder }, ms) {
      await writeFile(join(folder, 'clock'), String(ms));
      const seen = async (): Promise<boolean> =>
        (await readFile(join(folder, 'clock.seen'), 'utf8').catch(() => '0')) === String(ms);
      await until(seen, { what: `${name} looks at its clock` });
    },
    async whilePutOff(mend) {
      const before = cascade.putOff;
      author.want(underWay);
      await author.until('the mix takes nothing more', () => cascade.putOff >= before + some);
      await mend();
      await author.progress(some);
      return cascade.putOff - before;
    },
    async end() {
      return judge(cascade, await author.end(), watchful);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
