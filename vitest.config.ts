import { defineConfig } from 'vitest/config';
import { environment } from './packages/testkit/src/supervise/programs.ts';

// Workers and the commands that suites start find compiled code there.
Object.assign(process.env, environment());

/** Suites that put something else in the place of a library: the modules of one process cannot have both. */
const alone = ['packages/protocol/src/sealed/{inflate,open}.test.ts'];

const elsewhere = [
  '**/node_modules/**',
  '**/dist/**',
  'test/faults/**',
  'test/interop/domains/**',
  'test/interop/*.{knot,dovecot,postfix,systemd}.test.ts',
  'packages/directory/src/**/*.chromium.test.ts',
  'packages/node/test/{redis-*,*-redis}.test.ts',
];

// Suites that need a Debian package skip themselves visibly where it is missing. Those with mail or name servers of Debian are test:domains.
// All others share the modules of two processes: reading them anew for each file takes longer than many a suite.
export default defineConfig({
  resolve: { conditions: ['@postern/source'] },
  ssr: { resolve: { conditions: ['@postern/source', 'node'] } },
  test: {
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          isolate: false,
          include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...elsewhere, ...alone],
        },
      },
      { extends: true, test: { name: 'alone', include: alone } },
    ],
  },
});
