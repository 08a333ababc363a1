import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Member, until } from '@postern/testkit';
import { type Author, startAuthor } from './author.ts';
import { type Chain, type Store, startChain } from './chain.ts';
import { watchEvidence } from './evidence.ts';
import { judge, type Verdict } from './judge.ts';

/** A chain that notes cross without end, and what may go wrong around its nodes. */
export interface Scene extends AsyncDisposable {
  readonly chain: Chain;
  readonly author: Author;
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
  const chain = opened.use(await startChain(store));
  const watchful = opened.use(watchEvidence(async () => chain.net.describe()));
  const over = new AbortController();
  opened.defer(() => over.abort());
  const author = startAuthor(chain, over.signal);
  author.keep(underWay);
  await author.progress();
  const running = opened.move();
  return {
    chain,
    author,
    async shiftClock({ name, folder }, ms) {
      await writeFile(join(folder, 'clock'), String(ms));
      const seen = async (): Promise<boolean> =>
        (await readFile(join(folder, 'clock.seen'), 'utf8').catch(() => '0')) === String(ms);
      await until(seen, { what: `${name} looks at its clock` });
    },
    async whilePutOff(mend) {
      const before = chain.putOff;
      author.want(underWay);
      await author.until('the mix takes nothing more', () => chain.putOff >= before + some);
      await mend();
      await author.progress(some);
      return chain.putOff - before;
    },
    async end() {
      return judge(chain, await author.end(), watchful);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
