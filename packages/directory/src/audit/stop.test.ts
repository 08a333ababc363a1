import { parseAuthorityKey } from '@postern/protocol/consensus';
import { expect, onTestFinished, test } from 'vitest';
import { createChain } from '../testing/chain.ts';
import { start } from '../testing/clock.ts';
import { openLibrary, others, ours } from '../testing/readers.ts';
import { audit } from './audit.ts';

test('an audit that is stopped ends as it was told to, whatever it was fetching ahead', async () => {
  await using library = await openLibrary();
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const chain = createChain([ours, others]);
  for (const epoch of [900, 901, 902]) chain.issue(epoch);
  const fetching = Promise.withResolvers<void>();
  let unanswered = 0;
  const { url } = await library.serving((request, response) => {
    if (!/^\/v1\/consensus\/\d+$/.test(request.url ?? '')) return chain.serve()(request, response);
    unanswered += 1;
    if (unanswered === 3) fetching.resolve();
  });
  const stop = new AbortController();
  const audited = audit({
    urls: [url],
    authorities: [ours, others].map(({ vkey }) => parseAuthorityKey(vkey)),
    threshold: 2,
    now: start / 1_000,
    timeoutMs: 5_000,
    signal: stop.signal,
  });
  await fetching.promise;
  stop.abort();
  await expect(audited).rejects.toMatchObject({ name: 'AbortError' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});
