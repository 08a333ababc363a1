// Settles one input in a spool, makes a folder to say so, and from then on only asks, until it is killed.
import { mkdirSync } from 'node:fs';
import { systemClock } from '@postern/runtime';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { crashRelay, crashUnit } from './crash-units.ts';
import { seeded } from './support.ts';

const [path = '', settled = ''] = process.argv.slice(2);
const spool = await openSqliteSpool({ path, unitBytes: 32_768, clock: systemClock, random: seeded('sync') });
await spool.accept(crashUnit(1));
for (const { id } of await spool.claimInputs('packet', 1)) await spool.settle(id, crashRelay(1));
mkdirSync(settled);
for (;;) await spool.counts();
