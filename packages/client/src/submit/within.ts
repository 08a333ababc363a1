import type { FirstMix, NoMix } from './submit.ts';

/** A longer timer would fire at once. */
const longestTimer = 2 ** 31 - 1;

/**
 * What a look into the consensus gives, unless the time for it passes or the signal aborts. The directory may be slow at each of its URLs, and it is
 * asked over the network: how long that takes is measured by the system's timer, as any exchange is, whoever owns the clock.
 */
export async function within(
  ms: number,
  signal: AbortSignal | undefined,
  look: Promise<FirstMix | NoMix>,
): Promise<FirstMix | NoMix> {
  const over = Promise.withResolvers<NoMix>();
  const end = (): void => over.resolve({ kind: 'no-time' });
  const timer = setTimeout(end, Math.min(ms, longestTimer));
  signal?.addEventListener('abort', end, { once: true });
  try {
    if (signal?.aborted) end();
    return await Promise.race([look, over.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}
