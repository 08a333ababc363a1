import { expect, test } from 'vitest';
import { counterStep, createMetrics } from './metrics.ts';
import { type Random, systemRandom } from './random.ts';

const seriesOf = async (metrics: { text(): Promise<string> }): Promise<string[]> =>
  (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

/** Draws the same fraction for ever. */
const drawing = (byte: number): Random => ({ bytes: (length) => new Uint8Array(length).fill(byte) });

test('every outcome shows from the start, and nothing of the process', async () => {
  const metrics = createMetrics();
  const packets = metrics.outcomes('postern_packets_total', 'Packets by outcome.', ['relayed', 'refused']);
  metrics.release('postern_build_info');
  packets.add('relayed');
  expect(packets.values()).toEqual({ relayed: 1, refused: 0 });
  expect(() => packets.add('other')).toThrow(TypeError);
  expect(await seriesOf(metrics)).toEqual([
    'postern_packets_total{outcome="relayed"} 0',
    'postern_packets_total{outcome="refused"} 0',
    expect.stringMatching(/^postern_build_info\{version="\d+\.\d+\.\d+"\} 1$/),
  ]);
});

test('what is public is shown exactly, if that is asked for', async () => {
  const metrics = createMetrics();
  const counter = metrics.outcomes('postern_x_total', 'X.', ['a'], { shown: 'exactly' });
  for (let i = 0; i < 3; i++) counter.add('a');
  expect((await seriesOf(metrics)).at(-1)).toBe('postern_x_total{outcome="a"} 3');
});

test('what is counted again, or has no series, is exact and not exported', async () => {
  const metrics = createMetrics(drawing(0));
  const counter = metrics.outcomes('postern_x_total', 'X.', ['a', 'b'], { unshown: ['b'] });
  for (let i = 0; i < 1_000; i++) {
    counter.add('a', { again: true });
    counter.add('b');
  }
  expect(counter.values()).toEqual({ a: 1_000, b: 1_000 });
  expect(await seriesOf(metrics)).toEqual(['postern_x_total{outcome="a"} 0']);
  for (let i = 0; i < counterStep / 2; i++) counter.add('a');
  expect(await seriesOf(metrics)).toEqual([`postern_x_total{outcome="a"} ${counterStep}`]);
});

test.each([
  [0, counterStep / 2],
  [255, counterStep * 1.5],
])(
  'a series grows by whole steps, the first after half a step at least and one and a half at most',
  async (byte, due) => {
    const metrics = createMetrics(drawing(byte));
    const counter = metrics.outcomes('postern_x_total', 'X.', ['a']);
    for (let i = 1; i < due; i++) counter.add('a');
    expect((await seriesOf(metrics)).at(-1)).toBe('postern_x_total{outcome="a"} 0');
    counter.add('a');
    expect((await seriesOf(metrics)).at(-1)).toBe(`postern_x_total{outcome="a"} ${counterStep}`);
  },
);

test('where a step comes tells one more from one less no better than one in a step, and the series is right on average', async () => {
  let drawn = 0;
  const random: Random = {
    bytes(length) {
      drawn += 1; // once a step
      return systemRandom.bytes(length);
    },
  };
  const metrics = createMetrics(random);
  const counter = metrics.outcomes('postern_x_total', 'X.', ['a']);
  const spacings = new Map<number, number>();
  const steps = 20_000;
  for (let step = 0; step < steps; step++) {
    let spacing = 0;
    for (const before = drawn; drawn === before && spacing < 1_000; spacing++) counter.add('a');
    spacings.set(spacing, (spacings.get(spacing) ?? 0) + 1);
  }
  expect(Math.min(...spacings.keys())).toBe(counterStep / 2);
  expect(Math.max(...spacings.keys())).toBe(counterStep * 1.5);
  // Each spacing has the chance 1/65: 308 of 20,000, give or take seven standard deviations.
  for (const seen of spacings.values()) expect(Math.abs(seen - steps / (counterStep + 1))).toBeLessThan(122);
  const { a: counted = 0 } = counter.values();
  const shown = Number((await seriesOf(metrics)).at(-1)?.split(' ')[1]);
  expect(Math.abs(shown / counted - 1)).toBeLessThan(0.02);
});

test('a gauge is read anew for each text, and absent while there is nothing to say', async () => {
  const metrics = createMetrics();
  let value: number | undefined;
  metrics.gauge('postern_g', 'G.', async () => {
    if (value === 13) throw new Error('unlucky');
    return value;
  });
  const lines = (): Promise<string[]> => seriesOf(metrics);
  expect(await lines()).toEqual([]);
  value = 12;
  expect(await lines()).toEqual(['postern_g 12']);
  value = 13;
  expect(await lines()).toEqual([]);
});
