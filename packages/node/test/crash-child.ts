// Accepts and settles units in a spool until it is killed. Writes one line for each thing that is durable.
import { silentLog, systemClock } from '@postern/runtime';
import { openRedisSpool } from '../src/queue/redis/spool.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { crashRelay, crashUnit } from './crash-units.ts';
import { seeded } from './support.ts';

const [store = '', path = '', first = '0'] = process.argv.slice(2);
const common = { clock: systemClock, random: seeded(`ids from ${first}`) };
const spool =
  store === 'redis'
    ? await openRedisSpool({
        ...common,
        log: silentLog,
        connection: { path },
        name: 'crash',
        nodeId: 'ab'.repeat(32),
        maxBytes: 500_000_000,
      })
    : await openSqliteSpool({ ...common, unitBytes: 32_768, path });
let next = Number(first);

async function acceptForEver(): Promise<never> {
  for (;;) {
    const number = next++;
    await spool.accept(crashUnit(number));
    process.stdout.write(`accepted ${number}\n`);
  }
}

async function settleForEver(): Promise<never> {
  for (;;) {
    const inputs = await spool.claimInputs('packet', 4);
    for (const { id, bytes } of inputs) {
      const number = Buffer.from(bytes).readUInt32BE(1);
      const { kind } = await spool.settle(id, crashRelay(number));
      process.stdout.write(`settled ${number} ${kind}\n`);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Kills land in the middle of overwriting and cutting the journal too. */
async function sweepForEver(): Promise<never> {
  for (;;) await spool.sweep();
}

await Promise.all([...Array.from({ length: 6 }, acceptForEver), settleForEver(), sweepForEver()]);
