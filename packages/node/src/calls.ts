import type { Calls } from '@postern/runtime';
import { createComplain } from './report/complain.ts';
import { type Parts, reportContext } from './wiring.ts';

/** What the operator's commands ask of the running node, which alone has the spool. */
export function callsOf(parts: Parts): Calls {
  const { spool, counters, domainKeys } = parts;
  const complain =
    domainKeys && createComplain({ ...reportContext(parts), spool, counters, keys: domainKeys });
  return {
    '/complaints': () => spool.returns.complaints(),
    ...(complain && { '/complain': complain }),
  };
}
