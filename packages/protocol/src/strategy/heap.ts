/** A persistent pairing heap: adding is O(1), taking the least O(log n) amortised, and older versions stay valid. */
export interface Heap<T> {
  readonly key: number;
  readonly value: T;
  readonly children: Children<T>;
}

/** A linked list of heaps. */
type Children<T> = { readonly head: Heap<T>; readonly tail: Children<T> } | undefined;

export function add<T>(heap: Heap<T> | undefined, key: number, value: T): Heap<T> {
  return meld(heap, { key, value, children: undefined });
}

/** The heap without its least element. */
export function rest<T>({ children }: Heap<T>): Heap<T> | undefined {
  // Two passes, without recursion: a layer of children may be as long as the heap.
  const pairs: Heap<T>[] = [];
  for (let left = children; left !== undefined; left = left.tail?.tail) {
    pairs.push(left.tail === undefined ? left.head : meld(left.head, left.tail.head));
  }
  return pairs.reduceRight<Heap<T> | undefined>((melded, pair) => meld(melded, pair), undefined);
}

function meld<T>(a: Heap<T> | undefined, b: Heap<T>): Heap<T> {
  if (a === undefined) return b;
  const [least, other] = a.key <= b.key ? [a, b] : [b, a];
  return { key: least.key, value: least.value, children: { head: other, tail: least.children } };
}
