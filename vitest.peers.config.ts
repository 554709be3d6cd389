import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/peers/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    globalSetup: ['test/peers/global.ts'],
    pool: 'forks',
    // One KEDA and one Karpenter: each file has them to itself.
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 120_000 } },
  },
});
