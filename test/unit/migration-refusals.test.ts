import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, test } from 'vitest';
import { createMigration, type MigrateDependencies } from '../../activities/migrate.js';
import { MODES, type Mode } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import type { MigrationOrder, MigrationSurvey } from '../../src/domain/migration.js';
import { orderOf } from '../workflow/migration-fakes.js';

/* What a person’s order must not do. Where this fails, an account that is to be left alone is changed. */

const policyIn = (mode: Mode, more = '') =>
  readAccountFile(
    `version: headroom/v1
account: acme
mode: ${mode}
${more}
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 3 }}]
pools:
  - { name: spot, pricePerHour: 1, node: { cpu: 8 }, capacityType: spot, zone: a }
  - { name: dear, pricePerHour: 4, node: { cpu: 8 }, zone: b }`,
    'acme.yaml',
  );

/** A cluster that only answers surveys: any other call fails the test. */
function activitiesIn(mode: Mode, more = '', costPerHour: number | null = null) {
  const survey: Omit<MigrationSurvey, 'target' | 'chosen' | 'warm'> = {
    ...{ refusals: [], source: { words: 'web', replicas: 1, ready: 1 }, copy: { words: 'web-1', name: 'web-1' } },
    traffic: { kind: 'none', words: '', steps: [] },
    ...{ images: [], volumes: [], reverse: [], before: '' },
  };
  const partial = {
    store: {
      getRecord: () => Promise.resolve({ body: policyIn(mode, more) }),
      listRecords: () => Promise.resolve(costPerHour === null ? [] : [{ body: { costPerHour } }]),
    },
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

describe('the account’s own limits', () => {
  const AT = Date.parse('2026-03-02T10:00:00Z') / 1000;
  const survey = async (more: string, order: Partial<MigrationOrder> = {}, costPerHour: number | null = null) => {
    const { surveyMigration } = activitiesIn('auto', more, costPerHour);
    const found = await run(surveyMigration, { order: orderOf(1, order), at: AT });
    if ('kind' in found) throw new Error(found.detail);
    return found;
  };

  test.each([
    ['spotMaxShare: 0.5', 'at most 50 % of web may be there (spotMaxShare)'],
    ['spotMarketMaxShare: 0.3', 'spotMarketMaxShare'],
    ['strategy: balanced', 'give it both pools in the account file'],
    ['surviveZone: 0.5', '50 % of web have to survive the loss of a zone'],
    [
      'blackouts: [{ name: sale, from: 2026-03-02T10:10:00Z, to: 2026-03-02T12:00:00Z, reason: the sale }]',
      'blackout sale falls into',
    ],
    ['budget: { perHour: 2.1 }', 'while both serve it would cost 2.125 an hour, over the budget 2.10'],
  ])('%s: a pool that is named is refused with the remedy, and taken by who consents', async (more, words) => {
    const { refusals } = await survey(more, {}, 2);
    expect(refusals.join('; ')).toContain(words);
    expect(refusals.join('; ')).toContain('--even-if-limited');
    expect((await survey(more, { evenIfLimited: true }, 2)).refusals).toEqual([]);
  });

  test.each([
    ['limits that hold', 'spotMaxShare: 1\nbudget: { perHour: 2.2 }'],
    ['a budget, and no plan yet to say what the nodes cost', 'budget: { perHour: 0.1 }'],
    ['a blackout that is over', 'blackouts: [{ name: sale, from: 2026-03-01, to: 2026-03-02, reason: the sale }]'],
  ])('are against nothing where there are %s', async (name, more) => {
    expect((await survey(more, {}, name.includes('no plan') ? null : 2)).refusals).toEqual([]);
  });

  test('a pool that they are against is never chosen, but by who consents', async () => {
    const pool = async (order: Partial<MigrationOrder>) =>
      (await survey('spotMaxShare: 0.5', { target: null, ...order })).target.pool;
    expect(await pool({})).toBe('dear');
    expect(await pool({ evenIfLimited: true })).toBe('spot');
  });

  test('a pool of another cluster has none of them', async () => {
    const target = { pool: 'spot', namespace: null, cluster: 'west' };
    expect((await survey('spotMaxShare: 0.5', { target })).refusals).toEqual([]);
  });
});
