#!/usr/bin/env node
// Runs the tests and ends with one plain line, `N passed, N failed`, whatever the reporter prints above it.
// `--config vitest.real.config.ts` for those that need real servers.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'headroom-test-'));
const file = join(folder, 'results.json');
const run = spawnSync(
  process.execPath,
  [
    ...[join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--reporter=default', '--reporter=json'],
    ...[`--outputFile.json=${file}`, ...process.argv.slice(2)],
  ],
  { cwd: root, stdio: 'inherit' },
);
try {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites, testResults } =
    JSON.parse(readFileSync(file, 'utf8'));
  // A file that could not be loaded has failed although none of its tests has.
  const broken = testResults.filter((one) => one.status === 'failed' && one.assertionResults.length === 0).length;
  // An error that no test caught, as of a stream that nobody listens to, fails the run as well.
  const stray = run.status !== 0 && numFailedTests + broken + numFailedTestSuites === 0 ? 1 : 0;
  if (stray > 0) console.log('an error outside of any test failed the run: see "Unhandled Errors" above');
  const failed = numFailedTests + broken + stray;
  console.log(`${numPendingTests + numTodoTests} skipped, each with its reason`);
  console.log(`${numPassedTests} passed, ${failed} failed`);
  process.exitCode = run.status === 0 && failed === 0 && numFailedTestSuites === 0 ? 0 : 1;
} catch (error) {
  console.error(`test: vitest left no results: ${error.message}`);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
