import { defineConfig } from 'vitest/config';
import { environment } from './packages/testkit/src/supervise/programs.ts';

// Workers and the commands that suites start find compiled code there.
Object.assign(process.env, environment());

// Debian's mail and name servers, and whole domains with them: they take the ports that DNS gives them, so one file at a time.
// A spool in Debian's Redis, whose process or server is killed at every step, is with them.
export default defineConfig({
  resolve: { conditions: ['@postern/source'] },
  ssr: { resolve: { conditions: ['@postern/source', 'node'] } },
  test: {
    include: [
      'test/interop/domains/**/*.test.ts',
      'test/interop/*.{knot,dovecot,postfix,systemd}.test.ts',
      'packages/node/test/{redis-*,*-redis}.test.ts',
    ],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    disableConsoleIntercept: true,
  },
});
