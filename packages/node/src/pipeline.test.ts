import { expect, test } from 'vitest';
import { deliver } from './deliver/deliver.ts';
import { forward } from './forward/forward.ts';
import { mix } from './mix/mix.ts';
import { peel } from './peel/peel.ts';
import type { PipelineContext } from './pipeline.ts';
import { queue } from './queue/queue.ts';
import { chain } from './stage.ts';
import { unwrap } from './unwrap/unwrap.ts';

type Contexts = Required<PipelineContext>;
const options = { kind: 'packet', lanes: 1, batch: 1 } as const;

/** Compiled and never run: every marked line has to be an error, and the others none. */
function orders({ peel: m, forward: o, unwrap: d }: Contexts): void {
  chain(queue(m, options), peel(m), mix(o), forward(o));
  chain(queue(d, options), unwrap(d), deliver(d));
  // @ts-expect-error nothing is forwarded before its time
  chain(queue(m, options), peel(m), forward(o));
  // @ts-expect-error nothing is mixed before its layer is off
  chain(queue(m, options), mix(o), peel(m), forward(o));
  // @ts-expect-error nothing is peeled before it is durable
  chain(peel(m), queue(m, options), mix(o), forward(o));
  // @ts-expect-error nothing is delivered before it is unwrapped
  chain(queue(d, options), deliver(d));
  // @ts-expect-error an envelope is not for the mix
  chain(queue(m, options), unwrap(d), mix(o), forward(o));
}

test('stages in a wrong order do not compile', () => {
  expect(orders).toHaveLength(1);
});
