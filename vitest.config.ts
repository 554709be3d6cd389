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
    testTimeout: 600_000,
    hookTimeout: 400_000,
  },
});
