import { defineConfig } from 'vitest/config';
import { environment } from './packages/testkit/src/supervise/programs.ts';

// Workers and the commands that suites start find compiled code there.
Object.assign(process.env, environment());

// Suites that need a Debian package skip themselves visibly where it is missing. Those with mail or name servers of Debian are test:domains.
export default defineConfig({
  resolve: { conditions: ['@postern/source'] },
  ssr: { resolve: { conditions: ['@postern/source', 'node'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: [
      '**/node_modules/**',
      '**/dist/**',
      'test/faults/**',
      'test/interop/domains/**',
      'test/interop/*.{knot,dovecot,postfix,systemd}.test.ts',
      'packages/node/test/{redis-*,*-redis}.test.ts',
    ],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
