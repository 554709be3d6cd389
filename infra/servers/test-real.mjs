#!/usr/bin/env node
// Some of the tests against real servers, without setting up again: `node infra/servers/test-real.mjs test/real/x.test.ts`.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const run = spawnSync(
  process.execPath,
  [join(root, 'infra', 'test.mjs'), '--config', 'vitest.real.config.ts', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exit(run.status ?? 1);
