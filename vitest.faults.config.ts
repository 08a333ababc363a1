import { defineConfig } from 'vitest/config';

// Whole networks of processes under faults: each test takes minutes and prints one line with its figure.
export default defineConfig({
  resolve: { conditions: ['@postern/source'] },
  ssr: { resolve: { conditions: ['@postern/source', 'node'] } },
  test: {
    include: ['test/faults/**/*.test.ts'],
    // Each test sets its own time from the work that it is given.
    testTimeout: 0,
    hookTimeout: 0,
    fileParallelism: false,
    disableConsoleIntercept: true,
  },
});
