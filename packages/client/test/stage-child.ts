import { systemRandom } from '@postern/runtime';
import { openOutbox } from '../src/outbox/index.ts';

// Makes a set in the outbox given, says so, and goes no further.
const [outbox = '', sent = ''] = process.argv.slice(2);
const staged = await openOutbox({ outbox, sent }, systemRandom).stage();
await staged.add({ bytes: new Uint8Array(100), firstNode: 'ab'.repeat(32), expires: 1 });
process.stdout.write(`${staged.id}\n`);
process.stdin.resume();
