import type { Peers } from './peers.ts';

/** Other authorities that are asked for what is known by its digest, so that it does not matter who gives it. */
export interface Sources {
  /** What `read` makes of the first answer of which it makes something; undefined once nobody is left. */
  get<T>(
    path: string,
    question: { readonly maxBytes: number },
    read: (text: string) => T | undefined,
  ): Promise<T | undefined>;
}

/** Whoever was the quickest last time is asked first. Who does not answer, or gives something else, is asked no more. */
export function createSources({ names, ask }: Pick<Peers, 'names' | 'ask'>, now: () => number): Sources {
  const tookMs = new Map(names.map((name) => [name, 0]));
  return {
    async get(path, question, read) {
      for (;;) {
        const [first] = [...tookMs].sort(([, a], [, b]) => a - b);
        if (first === undefined) return undefined;
        const [name] = first;
        const sentMs = now();
        const answer = await ask(name, path, question);
        const value = answer.kind === 'answer' && answer.status === 200 ? read(answer.text) : undefined;
        if (value === undefined) tookMs.delete(name);
        else {
          tookMs.set(name, now() - sentMs);
          return value;
        }
      }
    },
  };
}
