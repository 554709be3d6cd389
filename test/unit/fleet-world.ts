import { MockActivityEnvironment } from '@temporalio/testing';
import { createFleetActivities } from '../../activities/fleet/index.js';
import type { FleetActivities, PoolSized } from '../../activities/fleet/types.js';
import { createOptimize } from '../../activities/optimize.js';
import { createPolicies, observeRequest } from '../../activities/policies.js';
import type { OptimizeResult } from '../../activities/types.js';
import { createFleetSolver } from '../../src/allocate/fleet/index.js';
import { summarizePlan } from '../../src/allocate/index.js';
import { createProvisioners } from '../../src/cluster/provisioners.js';
import { createSimulatedCluster, type Simulation } from '../../src/cluster/simulated/adapter.js';
import { createEngineHost } from '../../src/cluster/simulated/host.js';
import { buildScenario } from '../../src/cluster/simulated/scenario.js';
import { fleetDeciderHere } from '../../src/decide/fleet.js';
import { createEngine } from '../../src/decide/engine.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import { orderChange } from '../../src/domain/change.js';
import type { Mutation } from '../../src/domain/cluster.js';
import type { Freeze } from '../../src/domain/control.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import { readFleetFile } from '../../src/domain/fleet-file.js';
import type { FleetPlanSummary } from '../../src/domain/fleet-plan.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import { grantSchema, type Grant } from '../../src/domain/grant.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';

/*
 * Two accounts under one small pool of a simulated cluster, with the real decisions and the real store, and the fleet's
 * and the accounts' activities called in the order in which their workflows do.
 */

/** 2026-05-04T06:00:00Z. */
export const START = 1_777_874_400;
const STEP = 300;

export const accountOf = (name: string, lines: string): AccountPolicy =>
  readAccountFile(
    `version: headroom/v1
account: ${name}
mode: auto
ownership: own
settle: 0s
hysteresis: 0
horizons: [2h]
pools: [{ name: general, pricePerHour: 1, node: { cpu: 4 }, min: 0, max: 4 }]
${lines}`,
    `${name}.yaml`,
  );

export const fleetOf = (lines = ''): FleetPolicy =>
  readFleetFile(
    `version: headroom/v1
fleet: shared
mode: auto
horizon: 2h
pools:
  - { name: general, pricePerHour: 1, node: { cpu: 4 }, max: 4, leadTime: 2m, provisioning: { kind: simulated } }
${lines}`,
    'fleet.yaml',
  );

/** Of one workload `web`, the same in every bin: `at` at the 0.99 level, half of it in the middle. */
export const forecastOf = (account: string, at: number, demand: number): AccountForecast => ({
  id: `${account}@${at}`,
  account,
  snapshotId: 's',
  at,
  missing: [],
  series: [
    {
      workload: 'web',
      component: 'cpu',
      data: 'fresh',
      gate: { open: true, level: 0.99, scored: 288, misses: 0, coverage: 1 },
      resolutions: [
        {
          origin: at - STEP,
          step: STEP,
          levels: [0.1, 0.5, 0.99, 0.999],
          quantiles: Array.from({ length: 40 }, () => [demand * 0.4, demand * 0.5, demand, demand]),
          weights: { persistence: 1 },
        },
      ],
    },
  ],
});

export interface FleetWorld {
  store: EmbeddedStore;
  cluster: Simulation;
  activities: FleetActivities;
  /** Set by a test: what every fence says. */
  frozen: Freeze | null;
  now(): Promise<number>;
  forecast(account: string, demand: number): Promise<void>;
  /** One cycle of the fleet: plan, grants, and sizes unless told not to. */
  cycle(options?: { size?: boolean }): Promise<FleetPlanSummary>;
  /** One cycle of an account: plan under its grant, and every field of it written. */
  act(policy: AccountPolicy): Promise<OptimizeResult>;
  /** The pools as the fleet reads them. */
  seePools(): ReturnType<FleetActivities['observePools']>;
  size(mutations: Mutation[]): Promise<PoolSized[]>;
  grant(account: string): Promise<Grant | null>;
  ready(account: string): Promise<number>;
  pass(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export async function createFleetWorld(fleet: FleetPolicy, accounts: readonly AccountPolicy[]): Promise<FleetWorld> {
  const scenario = buildScenario(
    {
      version: 'headroom-scenario/v1',
      clock: { start: START, mode: 'manual' },
      pools: [{ name: 'general', node: { cpu: 4 }, pricePerHour: 1, nodes: 2, max: 4 }],
      accounts: accounts.map(({ account }) => ({
        name: account,
        workloads: [{ name: 'web', replicas: 2, components: { cpu: { request: 1, demand: 1 } }, pools: ['general'] }],
      })),
    },
    { what: 'fleet', directory: '.' },
  );
  const cluster = createSimulatedCluster(createEngineHost({ model: scenario.model, begin: scenario.clock.start }));
  const store = await createEmbeddedStore({ path: ':memory:' });
  const policies = createPolicies(store);
  const engine = await createEngine();
  const fence = { read: () => Promise.resolve(world.frozen) };
  const activities = createFleetActivities({
    ...{ store, fence },
    decider: fleetDeciderHere(await createFleetSolver()),
    provisioners: createProvisioners(() => cluster, {}),
  });
  const { optimize } = createOptimize(
    {
      ...{ store, source: store, cluster: () => cluster, fence, decider: engine },
      histories: { fetch: () => Promise.resolve(null), isRunning: () => Promise.resolve(false) },
    },
    policies,
    summarizePlan,
  );
  const run = <In, Out>(work: (input: In) => Promise<Out>, input: In): Promise<Out> =>
    new MockActivityEnvironment().run(work, input);
  const signal = new AbortController().signal;
  let cycles = 0;
  let changes = 0;
  for (const policy of accounts) {
    await policies.remember(`${policy.account}@1`, policy, START);
    const samples = Array.from({ length: 12 }, (_, index) => ({ at: START - 3600 + index * STEP, value: 0.5 }));
    await store.writeUsage([{ key: { account: policy.account, workload: 'web', component: 'cpu' }, samples }]);
  }

  const world: FleetWorld = {
    store,
    cluster,
    activities,
    frozen: null,
    now: () => cluster.now(),
    async forecast(account, demand) {
      const at = await cluster.now();
      const body = forecastOf(account, at, demand);
      await store.putRecord({ kind: 'forecast', id: body.id, account, at, body });
    },
    async cycle({ size = true } = {}) {
      const at = await cluster.now();
      const fleetId = 'shared@1';
      const planId = `fleet/${++cycles}`;
      await run(activities.recordFleet, { fleetId, at, policy: fleet, ended: false });
      const { pools } = await run(activities.observePools, { fleetId, cluster: 'main' });
      const { inputId } = await run(activities.gatherFleet, { fleetId, planId, at, pools });
      const { plan } = await run(activities.solveFleet, { fleetId, planId, inputId, at });
      await run(activities.publishGrants, { fleetId, planId, at, until: at + fleet.grantsFor });
      if (size && plan.fields.length > 0) {
        const changeId = `fleet_main/${cycles}`;
        const mutations = plan.fields.map(({ target, seen, reason }, index) => ({
          ...{ key: `change/${changeId}#${index}`, account: 'fleet_main', target, expect: seen, reason },
        }));
        await run(activities.sizePools, { fleetId, changeId, mutations });
      }
      return plan;
    },
    async act(policy) {
      const at = await cluster.now();
      const query = {
        ...{ account: policy.account, from: at - 3600, to: at, step: STEP },
        series: [{ workload: 'web', component: 'cpu' as const }],
      };
      const { id: snapshotId } = await store.takeSnapshot(query, at, signal);
      const [newest] = await store.listRecords('forecast', policy.account, { limit: 1 });
      const result = await run(optimize, {
        ...{ account: policy.account, policyId: `${policy.account}@1`, at, snapshotId },
        forecastId: newest?.id ?? null,
        state: await cluster.observe(observeRequest(policy), signal),
        ...{ overrides: [], events: [], leadTimes: {}, raiseOnly: [] },
      });
      const order = orderChange(result.plan, `${policy.account}/${++changes}`, policy.account, at, 600);
      for (const mutation of order.mutations) await cluster.apply(mutation, null, signal);
      return result;
    },
    seePools: () => run(activities.observePools, { fleetId: 'shared@1', cluster: 'main' }),
    size: async (mutations) => {
      const { sized } = await run(activities.sizePools, { fleetId: 'shared@1', changeId: 'fleet_main/7', mutations });
      return sized;
    },
    async grant(account) {
      const [record] = await store.listRecords('grant', account, { limit: 1 });
      return record === undefined ? null : grantSchema.parse(record.body);
    },
    async ready(account) {
      const workloads = [{ workload: 'web', kind: 'Deployment' as const, namespace: account, name: 'web' }];
      const state = await cluster.observe({ account, workloads, pools: [] }, signal);
      return state.workloads[0]?.readyReplicas ?? Number.NaN;
    },
    async pass(seconds) {
      await cluster.advance((await cluster.now()) + seconds);
    },
    async close() {
      await cluster.close();
      await engine.close();
      await store.close();
    },
  };
  return world;
}
