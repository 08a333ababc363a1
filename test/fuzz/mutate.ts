import type { Chance } from './random.ts';

export interface Material {
  readonly tokens: readonly Uint8Array[];
  /** Another input of the same target, to splice with. */
  other(): Uint8Array;
  readonly maxBytes: number;
}

/** The input with one to eight changes, no longer than `maxBytes`. */
export function mutate(input: Uint8Array, material: Material, random: Chance): Uint8Array {
  let changed: Buffer = Buffer.from(input);
  for (let left = 1 + random.below(2) * random.below(8); left > 0; left--) {
    const mutator = random.pick(mutators);
    changed = mutator(changed, random, material).subarray(0, material.maxBytes);
  }
  return new Uint8Array(changed.buffer, changed.byteOffset, changed.length).slice();
}

type Mutator = (input: Buffer, random: Chance, material: Material) => Buffer;

/** What lies at the edges of integers, and octets that mean something in mail. */
const interesting = [0, 1, 2, 0x7f, 0x80, 0xc0, 0xfe, 0xff, 0x0a, 0x0d, 0x09, 0x20, 0x2e, 0x3a, 0x22, 0x3c];

const flipBit: Mutator = (input, random) => changedAt(input, random, (byte) => byte ^ (1 << random.below(8)));
const setByte: Mutator = (input, random) => changedAt(input, random, () => random.below(256));
const setInteresting: Mutator = (input, random) => changedAt(input, random, () => random.pick(interesting));
const nudgeByte: Mutator = (input, random) => changedAt(input, random, (byte) => byte + random.below(17) - 8);

/** An integer of two or four octets, as lengths and counts are written, a little more or less, or what would reach to the end. */
const nudgeLength: Mutator = (input, random) => {
  const width = random.pick([1, 2, 4]);
  if (input.length < width) return input;
  const at = random.below(input.length - width + 1);
  const most = 2 ** (8 * width) - 1;
  const before = input.readUIntBE(at, width);
  const toEnd = input.length - at - width;
  const value = random.pick([before + 1, before - 1, before * 2, 0, most, toEnd, toEnd + 1, toEnd - 1]);
  input.writeUIntBE(Math.min(Math.max(value, 0), most), at, width);
  return input;
};

/** A number in decimal digits, a little more or less, or far too much. */
const nudgeDigits: Mutator = (input, random) => {
  const text = input.toString('latin1');
  const numbers = [...text.matchAll(/\d+/g)];
  if (numbers.length === 0) return input;
  const { 0: digits, index } = random.pick(numbers);
  const number = Number(digits.slice(0, 15));
  const value = random.pick([number + 1, number - 1, number * 10, 0, 2 ** 31, 2 ** 32, 2 ** 53, -1]);
  return Buffer.from(`${text.slice(0, index)}${value}${text.slice(index + digits.length)}`, 'latin1');
};

const truncate: Mutator = (input, random) => input.subarray(0, random.below(input.length + 1));

const remove: Mutator = (input, random) => {
  const [start, end] = range(input, random);
  return Buffer.concat([input.subarray(0, start), input.subarray(end)]);
};

/** A stretch once more behind itself, or over and over. */
const repeat: Mutator = (input, random, { maxBytes }) => {
  const [start, end] = range(input, random);
  const times = Math.min(
    random.pick([1, 1, 1, 4, 64, 1_024]),
    Math.ceil(maxBytes / Math.max(1, end - start)),
  );
  const copies = Array.from({ length: times }, () => input.subarray(start, end));
  return Buffer.concat([input.subarray(0, end), ...copies, input.subarray(end)]);
};

const move: Mutator = (input, random) => {
  const [start, end] = range(input, random);
  const rest = Buffer.concat([input.subarray(0, start), input.subarray(end)]);
  return inserted(rest, random.below(rest.length + 1), input.subarray(start, end));
};

const insertRandom: Mutator = (input, random) => {
  const bytes = Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256));
  return inserted(input, random.below(input.length + 1), bytes);
};

const insertToken: Mutator = (input, random, { tokens }) =>
  tokens.length === 0 ? input : inserted(input, random.below(input.length + 1), random.pick(tokens));

const overwriteByToken: Mutator = (input, random, { tokens }) => {
  if (tokens.length === 0) return input;
  const token = random.pick(tokens);
  const at = random.below(input.length + 1);
  return Buffer.concat([input.subarray(0, at), token, input.subarray(at + token.length)]);
};

const splice: Mutator = (input, random, { other }) => {
  const second = other();
  const from = random.below(second.length + 1);
  return Buffer.concat([input.subarray(0, random.below(input.length + 1)), second.subarray(from)]);
};

/** A line for another, once more, or gone: most text formats are lines. */
const shuffleLines: Mutator = (input, random, { other }) => {
  const lines = input.toString('latin1').split('\n');
  const foreign = Buffer.from(other()).toString('latin1').split('\n');
  const at = random.below(lines.length);
  const line = random.pick([random.pick(lines), random.pick(foreign)]);
  lines.splice(at, random.below(2), line);
  return Buffer.from(lines.join('\n'), 'latin1');
};

const mutators: readonly Mutator[] = [
  flipBit,
  setByte,
  setInteresting,
  nudgeByte,
  nudgeLength,
  nudgeDigits,
  truncate,
  remove,
  remove,
  repeat,
  move,
  insertRandom,
  insertToken,
  insertToken,
  overwriteByToken,
  overwriteByToken,
  splice,
  shuffleLines,
];

function changedAt(input: Buffer, random: Chance, change: (byte: number) => number): Buffer {
  if (input.length === 0) return Buffer.of(change(0) & 0xff);
  const at = random.below(input.length);
  input[at] = change(input[at] ?? 0) & 0xff;
  return input;
}

function inserted(input: Buffer, at: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)]);
}

/** Mostly a short one. */
function range(input: Buffer, random: Chance): [start: number, end: number] {
  const start = random.below(input.length + 1);
  const longest = random.pick([4, 16, 64, input.length]);
  return [start, Math.min(input.length, start + 1 + random.below(longest + 1))];
}
