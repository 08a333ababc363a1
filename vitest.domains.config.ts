import { defineConfig } from 'vitest/config';

// Whole domains with Debian's mail and name servers: they take the ports that DNS gives them, so one file at a time.
export default defineConfig({
  resolve: { conditions: ['@postern/source'] },
  ssr: { resolve: { conditions: ['@postern/source', 'node'] } },
  test: {
    include: ['test/interop/domains/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    disableConsoleIntercept: true,
  },
});
