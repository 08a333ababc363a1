/**
 * One step of a node's pipeline. What it takes is what the stage before it leaves, so stages in a wrong order do not
 * compile: the members are properties, not methods, since TypeScript compares a method's parameters both ways.
 */
export interface Stage<In> {
  /** Hands over; what its resolving means stands on the stage. */
  readonly take: (item: In) => Promise<void>;
  /** Takes nothing more by itself, finishes or gives back what it holds, and resolves. To be called front to back. */
  readonly close: () => Promise<void>;
}

/** A stage that still needs to know where what it makes goes. */
export type Link<In, Out> = (next: Stage<Out>) => Stage<In>;

/** Puts stages behind one another; closing closes them in the order in which things go through them. */
export function chain<A, B>(a: Link<A, B>, last: Stage<B>): Stage<A>;
export function chain<A, B, C>(a: Link<A, B>, b: Link<B, C>, last: Stage<C>): Stage<A>;
export function chain<A, B, C, D>(a: Link<A, B>, b: Link<B, C>, c: Link<C, D>, last: Stage<D>): Stage<A>;
export function chain(...parts: (Link<unknown, unknown> | Stage<unknown>)[]): Stage<unknown> {
  const links = parts.slice(0, -1) as Link<unknown, unknown>[];
  const last = parts.at(-1) as Stage<unknown>;
  const stages = [last];
  for (const link of links.reverse()) stages.unshift(link(stages[0] ?? last));
  const [first = last] = stages;
  return {
    take: first.take,
    async close() {
      for (const stage of stages) await stage.close();
    },
  };
}

/** The end of a line whose next stage other processes run: they take off the shelf what the last one here has put there. */
export const elsewhere: Stage<unknown> = { take: async () => undefined, close: async () => undefined };

/** A stage at the end of several lines: whoever made it closes it, after all of them. */
export function shared<In>({ take }: Stage<In>): Stage<In> {
  return { take, close: async () => undefined };
}
