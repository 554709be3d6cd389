import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, test } from 'vitest';
import { createMigration, type MigrateDependencies } from '../../activities/migrate.js';
import { MODES, type Mode } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import type { MigrationSurvey } from '../../src/domain/migration.js';
import { orderOf } from '../workflow/migration-fakes.js';

/* What a person’s order must not do. Where this fails, an account that is to be left alone is changed. */

const policyIn = (mode: Mode) =>
  readAccountFile(
    `version: headroom/v1
account: acme
mode: ${mode}
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 3 }}]
pools: [{ name: spot, pricePerHour: 1, node: { cpu: 8 } }]`,
    'acme.yaml',
  );

/** A cluster that only answers surveys: any other call fails the test. */
function activitiesIn(mode: Mode) {
  const survey: Omit<MigrationSurvey, 'target' | 'chosen' | 'warm'> = {
    ...{ refusals: [], source: { words: 'web', replicas: 1, ready: 1 }, copy: { words: 'web-1', name: 'web-1' } },
    traffic: { kind: 'none', words: '', steps: [] },
    ...{ images: [], volumes: [], reverse: [], before: '' },
  };
  const partial = {
    store: { getRecord: () => Promise.resolve({ body: policyIn(mode) }) },
    cluster: () => ({ migrating: { survey: () => Promise.resolve(survey) } }),
    fence: { read: () => Promise.resolve(null) },
    accounts: { paused: () => Promise.resolve(null), setPolicy: () => Promise.reject(new Error('touched')) },
  };
  return createMigration(partial as unknown as MigrateDependencies);
}

const run = <A, R>(work: (input: A) => Promise<R>, input: A): Promise<R> =>
  new MockActivityEnvironment().run(work, input);

describe.each(MODES)('an account in mode %s', (mode) => {
  const refused = mode === 'observe' || mode === 'recommend';
  const words = expect.stringMatching(`mode ${mode}, which touches nothing.*policy set acme`) as string;

  test(`${refused ? 'refuses' : 'takes'} a migration, also one without a target`, async () => {
    for (const target of [orderOf(1).target, null]) {
      const survey = await run(activitiesIn(mode).surveyMigration, { order: orderOf(1, { target }) });
      expect(survey).toMatchObject({ refusals: refused ? [words] : [] });
    }
  });

  test(`${refused ? 'refuses' : 'takes'} a prefetch; a dry run is answered`, async () => {
    const input = { account: 'acme', policyId: 'acme@1', at: 0, workload: null, key: 'k' };
    expect(await run(activitiesIn(mode).prefetch, { ...input, dry: true })).toEqual({ actions: [] });
    const real = run(activitiesIn(mode).prefetch, { ...input, dry: false });
    if (refused) await expect(real).rejects.toMatchObject({ type: 'refused', message: words });
    else expect(await real).toEqual({ actions: [] });
  });
});
