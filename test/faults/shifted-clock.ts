/*
 * Loaded into a process before its program (`node --import`): its clock is wrong by as many milliseconds as the file `clock` beside its
 * configuration says, from the moment on that this is written there; `clock.seen` says then that it is. Timers run on, as they do when a
 * machine's clock is set.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const at = process.argv.indexOf('--config');
// A worker thread has the environment of its process, and not its arguments.
process.env.POSTERN_FAULT_CLOCK ??= join(dirname(process.argv[at + 1] ?? ''), 'clock');
const path = process.env.POSTERN_FAULT_CLOCK;

const lookEveryMs = 20;
let shift: number | undefined;
let lookedAt = Number.NEGATIVE_INFINITY;

function shiftMs(): number {
  if (performance.now() >= lookedAt + lookEveryMs) {
    lookedAt = performance.now();
    const said = read();
    if (said !== undefined && said !== shift) writeFileSync(`${path}.seen`, String(said));
    shift = said;
  }
  return shift ?? 0;
}

function read(): number | undefined {
  try {
    return Number(readFileSync(path, 'latin1'));
  } catch {
    return undefined; // nobody has said anything yet
  }
}

const TrueDate = Date;
globalThis.Date = new Proxy(TrueDate, {
  construct: (target, given, as) =>
    Reflect.construct(target, given.length === 0 ? [TrueDate.now() + shiftMs()] : given, as),
  get: (target, name) => (name === 'now' ? () => TrueDate.now() + shiftMs() : Reflect.get(target, name)),
});
