import { decode } from './planted-decoder.ts';
import { bytes, hold, type Target } from './target.ts';

/** Faults on purpose, which the engine has to find. */
export const targets: readonly Target[] = [
  { name: 'deep', seeds: () => [bytes('postern')], run: (input) => void decode(input) },
  {
    name: 'property',
    seeds: () => [bytes('aaaa')],
    run: (input) => hold(input.length < 9, 'an input has less than nine bytes'),
  },
  {
    name: 'loop',
    seeds: () => [bytes('ok')],
    tokens: ['loop'],
    mostMs: 100,
    run(input) {
      while (input.includes(0x6c)); // an l
    },
  },
  {
    name: 'never',
    seeds: () => [bytes('ok')],
    tokens: ['never'],
    run: (input) => (input.includes(0x76) ? new Promise(() => {}) : undefined), // a v
  },
  {
    name: 'beside',
    seeds: () => [bytes('ok')],
    tokens: ['beside'],
    async run(input) {
      if (input.includes(0x73)) void Promise.reject(new Error('nobody waits for this')); // an s
      await new Promise(setImmediate);
    },
  },
  {
    name: 'late',
    bounded: 1,
    seeds: () => [],
    run: () => void Promise.resolve().then(() => Promise.reject(new Error('too late'))),
  },
  // Breaks while the next one waits; alone while it is closed.
  {
    name: 'afterwards',
    bounded: 1,
    seeds: () => [],
    run: () => void turns(5).then(() => Promise.reject(new Error('afterwards'))),
    close: () => turns(10),
  },
  { name: 'waiting', seeds: () => [bytes('ok')], run: () => turns(1) },
  { name: 'sound', seeds: () => [bytes('sound')], run: () => {} },
];

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}
