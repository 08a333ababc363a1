import { defineConfig } from 'vitest/config';

// Whole networks of processes under faults: each test takes minutes and prints one line with its figure.
export default defineConfig({
  resolve: { conditions: ['@postern/source'] },
  ssr: { resolve: { conditions: ['@postern/source', 'node'] } },
  test: {
    include: ['test/faults/**/*.test.ts'],
    // For what nobody has thought of: tests end by themselves once nothing moves any more, however much they are given to do.
    testTimeout: 7_200_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    disableConsoleIntercept: true,
  },
});
