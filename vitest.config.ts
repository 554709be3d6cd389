import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/real/**', 'test/peers/**'],
    setupFiles: ['test/setup.ts'],
    // Native modules (Temporal's core, DuckDB) want processes of their own; time skipping is global to
    // one server, so that a file never shares one with another.
    pool: 'forks',
    maxWorkers: 2,
    // The only limits there are: a test with one of its own fails on a machine that is slower than it thought.
    testTimeout: 600_000,
    hookTimeout: 400_000,
    expect: { poll: { timeout: 120_000 } },
  },
});
