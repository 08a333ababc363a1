/** One decoder, or a few that belong together, and what has to hold for every input. */
export interface Target {
  /** Folder of its corpus: lower-case letters and hyphens. */
  readonly name: string;
  /** Inputs that our own encoders make, and that lead deep into the code. Called once, before the first run. */
  seeds(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Throws where an input shows a fault: what the code throws by contract is caught here. */
  run(input: Uint8Array): void | Promise<void>;
  /** Pieces of text to build inputs with, beyond the literals of the code that the seeds reach. */
  readonly tokens?: readonly string[];
  /** Longest input, in bytes; 4,096 unless given, at most 131,072. */
  readonly maxBytes?: number;
  /** How many mutations the bounded run tries; 400 unless given. */
  readonly bounded?: number;
  /** Longest time that one run may take, in ms: a second, unless code that waits for a peer has bounds of its own. */
  readonly mostMs?: number;
  /** Ends what the seeds or runs have opened. */
  close?(): Promise<void>;
}

/** A property that an input breaks. */
class Broken extends Error {
  override readonly name = 'Broken';
}

export function hold(condition: boolean, property: string): asserts condition {
  if (!condition) throw new Broken(property);
}

/** That an encoder gives back the very bytes. */
export function sameBytes(again: Uint8Array, input: Uint8Array, what: string): void {
  hold(Buffer.compare(again, input) === 0, `${what}: another byte string decodes to the same`);
}

/** Lets through what the code throws by contract: errors of its own with one of these codes. */
export function throwUnless(fault: unknown, ...codes: readonly string[]): void {
  const code = fault instanceof Error && 'code' in fault ? fault.code : undefined;
  if (typeof code !== 'string' || !codes.includes(code)) throw fault;
}

export function latin1(input: Uint8Array): string {
  return Buffer.from(input.buffer, input.byteOffset, input.length).toString('latin1');
}

export function utf8(input: Uint8Array): string {
  return Buffer.from(input.buffer, input.byteOffset, input.length).toString('utf8');
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

export const defaultMaxBytes = 4_096;
export const defaultBounded = 400;
export const defaultMostMs = 1_000;
