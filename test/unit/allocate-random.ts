import fc from 'fast-check';
import type { AccountFile } from '../../src/domain/account.js';
import type { AllocationInput } from '../../src/allocate/problem.js';
import { AT, blocksOf, demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';

/** Now and then: a problem in which everything is limited has no solution, and shows little. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const hundredths = (most: number, least = 0) => fc.integer({ min: least, max: most }).map((value) => value / 100);

const workload = fc.record({
  request: fc.constantFrom(1, 0.25, 0.5, 1.5, 3),
  memory: fc.constantFrom(0.5, 1, 4),
  grid: maybe(fc.constantFrom<number[]>([0.5, 1, 2], [1, 4])),
  min: fc.integer({ min: 0, max: 3 }),
  more: fc.integer({ min: 0, max: 16 }),
  now: fc.integer({ min: 0, max: 8 }),
  stepUp: maybe(fc.integer({ min: 1, max: 4 })),
  stepDown: maybe(fc.integer({ min: 1, max: 4 })),
  criticality: fc.constantFrom('low' as const, 'normal' as const, 'critical' as const),
  utilization: fc.constantFrom(1, 0.8),
  floor: maybe(fc.record({ floor: fc.integer({ min: 0, max: 4 }), ceiling: fc.integer({ min: 4, max: 19 }) })),
  disruption: maybe(fc.integer({ min: 0, max: 6 })),
  /** A component without a forecast. */
  unknown: fc.constantFrom('none', 'none', 'none', 'memory', 'both'),
  override: maybe(fc.integer({ min: 0, max: 9 })),
  onlyFirstPool: fc.constantFrom(false, false, false, true),
  antiAffinity: maybe(fc.integer({ min: 1, max: 3 })),
  residency: maybe(fc.constantFrom<string[]>(['eu'], ['us', 'eu'])),
  surviveZone: maybe(fc.constantFrom(0.3, 0.5)),
  absent: fc.constantFrom(false, false, false, false, true),
  demand: fc.array(hundredths(600), { minLength: 4, maxLength: 4 }),
});

const pool = fc.record({
  price: fc.oneof(hundredths(90, 5), fc.constant(0)),
  cores: fc.constantFrom(2, 3, 4, 8, 16, 0),
  memory: maybe(fc.constantFrom(8, 16)),
  min: fc.integer({ min: 0, max: 2 }),
  more: fc.integer({ min: 4, max: 20 }),
  now: fc.integer({ min: 0, max: 6 }),
  spot: fc.constantFrom(false, false, true),
  fixed: fc.constantFrom(false, false, true),
  leadTime: fc.constantFrom('0s', '0s', '10m', '70m'),
  override: maybe(fc.integer({ min: 0, max: 9 })),
  zone: maybe(fc.constantFrom('a', 'b')),
  region: fc.constantFrom('eu', 'eu', 'us'),
});

export interface RandomOptions {
  /** What a case adds to the account file, from random numbers of its own. */
  more?: fc.Arbitrary<(file: Omit<AccountFile, 'version' | 'account'>) => Omit<AccountFile, 'version' | 'account'>>;
}

/** Problems of every kind of limit at once, many of them impossible: for builder, solver and checker together. */
export const randomProblem = ({ more }: RandomOptions = {}): fc.Arbitrary<AllocationInput> =>
  fc
    .record({
      workloads: fc.array(workload, { minLength: 1, maxLength: 4 }),
      pools: fc.array(pool, { minLength: 1, maxLength: 3 }),
      budget: maybe(hundredths(1200, 5)),
      spotMaxShare: fc.constantFrom(1, 0.5, 0.3),
      spotMarketMaxShare: maybe(fc.constantFrom(0.5, 0.25)),
      grant: maybe(hundredths(1500)),
      quota: maybe(fc.record({ room: hundredths(900), pods: fc.boolean() })),
      blackout: maybe(fc.integer({ min: 0, max: 4 })),
      task: maybe(
        fc.record({
          hour: fc.integer({ min: 10, max: 12 }),
          demand: hundredths(300),
          later: fc.constantFrom('0s', '1h'),
        }),
      ),
      change: more ?? fc.constant((file: Omit<AccountFile, 'version' | 'account'>) => file),
    })
    .map(({ workloads, pools, budget, spotMaxShare, spotMarketMaxShare, grant, quota, blackout, task, change }) => {
      const policy = policyOf(
        change({
          spotMaxShare,
          ...(spotMarketMaxShare === undefined ? {} : { spotMarketMaxShare }),
          ...(budget === undefined ? {} : { budget: { perHour: budget } }),
          ...(blackout === undefined
            ? {}
            : {
                blackouts: [{ name: 'sale', cron: `0 ${10 + blackout} * * *`, duration: '45m', reason: 'hands off' }],
              }),
          ...(task === undefined
            ? {}
            : {
                tasks: [
                  {
                    ...{ name: 'nightly', workload: 'w0', cron: `30 ${task.hour} * * *`, duration: '20m' },
                    ...{ demand: { cpu: task.demand }, earlier: '30m', later: task.later },
                  },
                ],
              }),
          workloads: workloads.map((one, index) => ({
            name: `w${index}`,
            criticality: one.criticality,
            ownership: one.floor === undefined ? ('own' as const) : ('floor' as const),
            components: {
              cpu: {
                request: one.request,
                utilization: one.utilization,
                ...(one.grid === undefined ? {} : { grid: one.grid }),
              },
              memory: { request: `${one.memory}Gi` },
            },
            replicas: {
              ...{ min: one.min, max: one.min + one.more },
              ...(one.stepUp === undefined ? {} : { stepUp: one.stepUp }),
              ...(one.stepDown === undefined ? {} : { stepDown: one.stepDown }),
            },
            ...(one.onlyFirstPool ? { pools: ['p0'] } : {}),
            ...(one.antiAffinity === undefined ? {} : { antiAffinity: { perNode: one.antiAffinity } }),
            ...(one.residency === undefined ? {} : { residency: { regions: one.residency } }),
            ...(one.surviveZone === undefined ? {} : { surviveZone: one.surviveZone }),
          })),
          pools: pools.map((one, index) => ({
            name: `p${index}`,
            pricePerHour: one.price,
            node: { cpu: one.cores, ...(one.memory === undefined ? {} : { memory: `${one.memory}Gi` }) },
            ...{ min: one.min, max: one.min + one.more, leadTime: one.leadTime },
            size: one.fixed ? ('fixed' as const) : ('variable' as const),
            capacityType: one.spot ? ('spot' as const) : ('on-demand' as const),
            ...(one.spot ? { interruptionsPerHour: 0.1 } : {}),
            ...(one.zone === undefined ? {} : { zone: one.zone }),
            region: one.region,
          })),
        }),
      );
      const state = stateOf(
        policy,
        Object.fromEntries(workloads.map((one, index) => [`w${index}`, one.now])),
        Object.fromEntries(pools.map((one, index) => [`p${index}`, one.now])),
      );
      state.workloads.forEach((seen, index) => {
        const one = workloads[index];
        if (one === undefined) return;
        if (one.floor !== undefined) seen.autoscaler = { kind: 'hpa', name: seen.workload, ...one.floor };
        if (one.disruption !== undefined)
          seen.disruption = { name: `${seen.workload}-pdb`, minAvailable: one.disruption };
        if (one.absent && index > 0) seen.exists = false;
      });
      if (quota !== undefined) {
        const each = Object.fromEntries(workloads.map((one, index) => [`w${index}`, quota.pods ? 1 : one.request]));
        const what = quota.pods ? 'acme/few pods' : 'acme/compute requests.cpu';
        state.quotas = [{ quota: what, each, room: quota.room, ...(quota.pods ? {} : { component: 'cpu' as const }) }];
      }
      const demand = workloads.flatMap((one, index) => {
        const name = `w${index}`;
        if (one.unknown === 'both') return [];
        const cpu = demandOf(name, 'cpu', one.demand);
        const memory = demandOf(
          name,
          'memory',
          one.demand.map((amount) => amount * 2 ** 27),
        );
        return one.unknown === 'memory' ? [cpu] : [cpu, memory];
      });
      const overrides = [
        ...workloads.flatMap((one, index) =>
          one.override === undefined || index > 0
            ? []
            : [{ field: 'replicas' as const, workload: `w${index}`, value: one.override }],
        ),
        ...pools.flatMap((one, index) =>
          one.override === undefined || index > 0
            ? []
            : [{ field: 'pool' as const, pool: `p${index}`, value: one.override }],
        ),
      ].map((target, index) => ({
        ...{ kind: 'override' as const, id: `o${index}`, target, reason: 'by hand', author: 'ops' },
        ...{ since: AT - 60, until: AT + 86_400 },
      }));
      return inputOf(policy, demand, {
        blocks: blocksOf(4),
        state,
        overrides,
        ...(grant === undefined ? {} : { grant: { cpu: grant } }),
      });
    });
