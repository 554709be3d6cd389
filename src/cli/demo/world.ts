import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ScenarioFile } from '../../cluster/simulated/scenario.js';
import type { AccountPolicy } from '../../domain/account.js';
import { readAccountFile } from '../../domain/account-file.js';
import { binSamples, binLabel } from '../../domain/series.js';
import { parseTime, type EpochSeconds } from '../../domain/time.js';
import { PROFILE_NAMES, profileOf, type ProfileName } from '../../replay/profiles.js';
import { collected, generateDemand } from '../../replay/synthetic.js';
import type { Store } from '../../telemetry/port.js';
import { PACKAGE_ROOT } from '../../temporal/home.js';

/* The demo's world: three accounts of the seeded generator, four weeks of their past, and the day that is played. */

/** A Tuesday: no weekend, no month's end. */
export const DAY_START: EpochSeconds = parseTime('2026-06-16T00:00:00Z');
export const DAY = 86_400;
export const STEP = 300;
const MINUTE = 60;
const SEED = 20_260_616;
const HISTORY_DAYS = 28;
/** What is not loaded by anyone before midnight: enough to begin with, for any of the three. */
const FIRST_REPLICAS = 8;

export interface DemoAccount {
  name: ProfileName;
  file: string;
  policy: AccountPolicy;
}

export async function demoAccounts(): Promise<DemoAccount[]> {
  return Promise.all(
    PROFILE_NAMES.map(async (name) => {
      const file = join(PACKAGE_ROOT, 'examples', 'demo', `${name}.yaml`);
      return { name, file, policy: readAccountFile(await readFile(file, 'utf8'), file) };
    }),
  );
}

/** When something happens in the day, in seconds after midnight UTC. */
export const STORY = {
  pause: { at: 7 * 3600, length: 3600, account: 'shop' },
  outage: { account: 'analytics' },
  badRelease: { from: 10 * 3600, to: 12.5 * 3600, account: 'saas', workload: 'api' },
  announce: { at: 11 * 3600, account: 'shop' },
  override: { at: 16.5 * 3600, length: 3600, account: 'saas', workload: 'worker', replicas: 18 },
} as const;

/** The simulated cluster with the day's demand, minute by minute, and the day's mishaps. */
export async function writeScenario(path: string, accounts: readonly DemoAccount[]): Promise<void> {
  const outage = profileOf('analytics', DAY_START).outages[0];
  const scenario: ScenarioFile = {
    version: 'headroom-scenario/v1',
    name: 'main',
    seed: SEED,
    tick: '15s',
    clock: { start: DAY_START, mode: 'held' },
    pools: accounts.flatMap(({ policy }) =>
      policy.pools.map((pool) => ({
        name: pool.name,
        node: resourcesOf(pool.node),
        pricePerHour: pool.pricePerHour,
        nodes: 3,
        min: pool.min,
        max: pool.max,
        provision: { median: '90s' },
      })),
    ),
    accounts: accounts.map(({ name, policy }) => ({
      name,
      workloads: policy.workloads.map((workload) => ({
        name: workload.name,
        replicas: FIRST_REPLICAS,
        components: Object.fromEntries(
          generated(name, DAY_START, DAY_START + DAY + 7200, MINUTE)
            .filter((one) => one.workload === workload.name)
            .map(({ component, samples }) => [
              component,
              {
                request: workload.components[component]?.request ?? 1,
                demand: { start: DAY_START, step: '60s', values: samples.map(({ value }) => value), repeat: false },
              },
            ]),
        ),
        podStart: { median: '40s' },
        pools: policy.pools.map((pool) => pool.name),
      })),
    })),
    faults: [
      {
        kind: 'bad-release',
        from: DAY_START + STORY.badRelease.from,
        to: DAY_START + STORY.badRelease.to,
        account: STORY.badRelease.account,
        workload: STORY.badRelease.workload,
        effect: 'errors',
        severity: 0.4,
      },
      ...(outage === undefined
        ? []
        : [{ kind: 'metrics-outage' as const, account: STORY.outage.account, from: outage.from, to: outage.to }]),
    ],
  };
  await writeFile(path, JSON.stringify(scenario));
}

/** Four weeks of what the metrics saw before the day. */
export async function writeHistory(store: Store, accounts: readonly DemoAccount[]): Promise<void> {
  const from = DAY_START - HISTORY_DAYS * DAY;
  for (const { name } of accounts) {
    const profile = profileOf(name, DAY_START);
    await store.writeUsage(
      generated(name, from, DAY_START, STEP).map(({ workload, component, samples }) => {
        const series = binSamples(collected(samples, profile), STEP, { from, to: DAY_START });
        return {
          key: { account: name, workload, component },
          samples: [...series.values].flatMap((value, index) =>
            Number.isNaN(value) ? [] : [{ at: binLabel(series, index), value }],
          ),
        };
      }),
    );
  }
}

const generated = (name: ProfileName, from: EpochSeconds, to: EpochSeconds, step: number) =>
  generateDemand({ profile: profileOf(name, DAY_START), seed: SEED, from, to, step });

const resourcesOf = (node: AccountPolicy['pools'][number]['node']) =>
  Object.fromEntries(Object.entries(node).map(([component, amount]) => [component, amount]));
