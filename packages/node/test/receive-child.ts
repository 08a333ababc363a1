// The first two stages alone: takes carriages over SMTP into a spool. Writes its port and its key's pin, runs until killed.
import { createMetrics, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { createCounters } from '../src/counters.ts';
import { createCertificate } from '../src/keys/certificate.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { receive } from '../src/receive/receive.ts';
import { openAt } from './redis-spool.ts';

const [folder = '', reserve = '0', redis] = process.argv.slice(2);
const tls = await createCertificate(folder, 'mix1.test', systemRandom);
const spool =
  redis === undefined
    ? await openSqliteSpool({
        unitBytes: 32_768,
        path: `${folder}/spool.sqlite`,
        clock: systemClock,
        random: systemRandom,
        reserveBytes: Number(reserve),
      })
    : await openAt(redis);
const server = await receive(
  {
    log: silentLog,
    counters: createCounters(createMetrics()),
    packetBytes: 32_768,
    listen: { host: '127.0.0.1', port: 0 },
    ehlo: 'mix1.test',
    tls,
    domains: ['mix1.test'],
    isBehind: () => false,
  },
  { packet: { take: (unit) => spool.accept(unit), close: async () => undefined } },
);
process.stdout.write(`${server.address.port} ${tls.pin}\n`);
