import { ApplicationFailure } from '@temporalio/common';
import type { FleetActivities, PoolSized } from '../../activities/fleet/types.js';
import type { Activities } from '../../activities/types.js';
import type { Mutation } from '../../src/domain/cluster.js';
import type { Freeze } from '../../src/domain/control.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import { readFleetFile } from '../../src/domain/fleet-file.js';
import type { FleetPlanSummary } from '../../src/domain/fleet-plan.js';
import type { ChangeOutcome, Contingency } from '../../src/domain/plan.js';

export function fleetPolicyOf(lines = 'mode: auto'): FleetPolicy {
  return readFleetFile(
    `version: headroom/v1
fleet: shared
cycle: 10m
grantsFor: 30m
pools:
  - { name: general, pricePerHour: 1, node: { cpu: 8 }, provisioning: { kind: simulated } }
  - { name: edge, cluster: edge, pricePerHour: 2, node: { cpu: 8 }, provisioning: { kind: simulated } }
${lines}`,
    'fleet.yaml',
  );
}

type Recording = Pick<Activities, 'recordContingency' | 'recordOutcome'>;
type Named = keyof (FleetActivities & Recording);

export interface FleetFakes extends FleetActivities, Recording {
  calls: { name: Named; input: unknown; at: number }[];
  /** What the pools have, as somebody wrote it; by pool. */
  nodes: Map<string, { nodes: number; owner: string | null }>;
  /** What the plan wants of each pool. */
  wanted: Map<string, number>;
  grants: { planId: string; until: number }[];
  outcomes: ChangeOutcome[];
  contingencies: Contingency[];
  /** Throws once for each entry, in order, before doing anything. */
  failNext: Partial<Record<Named, string[]>>;
  /** Throws always. */
  failing: Set<Named>;
  /** Clusters whose workers do not answer. */
  down: Set<string>;
  frozen: Freeze | null;
  /** Called before anything is written. */
  beforeSizing: () => Promise<void>;
}

/** Recording activities over pools in memory: they stand behind the fleet's port in these tests alone. */
export function createFleetFakes(): FleetFakes {
  const applied = new Set<string>();
  const record = (name: Named, input: unknown): void => {
    fakes.calls.push({ name, input, at: Date.now() });
    const message = fakes.failNext[name]?.shift() ?? (fakes.failing.has(name) ? 'final: out of reach' : undefined);
    if (message === undefined) return;
    throw failure(message, message.startsWith('final'));
  };
  const apply = ({ key, target, expect }: Mutation): PoolSized['result'] => {
    if (!('pool' in target)) return { kind: 'refused', detail: 'no pool' };
    const pool = fakes.nodes.get(target.pool);
    if (pool === undefined) return { kind: 'not-found', detail: `no pool ${target.pool}` };
    if (applied.has(key)) return { kind: 'repeated', value: pool.nodes };
    if (pool.nodes !== expect.value || pool.owner !== expect.owner) {
      return { kind: 'moved', value: pool.nodes, owner: pool.owner };
    }
    applied.add(key);
    fakes.nodes.set(target.pool, { nodes: target.value, owner: 'headroom' });
    return { kind: 'applied', value: target.value };
  };
  const fakes: FleetFakes = {
    calls: [],
    nodes: new Map([
      ['general', { nodes: 2, owner: null }],
      ['edge', { nodes: 1, owner: null }],
    ]),
    wanted: new Map(),
    grants: [],
    outcomes: [],
    contingencies: [],
    failNext: {},
    failing: new Set(),
    down: new Set(),
    frozen: null,
    beforeSizing: () => Promise.resolve(),
    async recordFleet(input) {
      record('recordFleet', input);
    },
    async observePools(input) {
      record('observePools', input);
      if (fakes.down.has(input.cluster)) throw failure('no route', true);
      const names = input.cluster === 'edge' ? ['edge'] : ['general'];
      return {
        pools: names.map((pool) => {
          const { nodes, owner } = fakes.nodes.get(pool) ?? { nodes: 0, owner: null };
          return { pool, state: { pool, nodes, readyNodes: nodes, owner }, problem: null };
        }),
      };
    },
    async gatherFleet(input) {
      record('gatherFleet', input);
      return { inputId: `${input.planId}/input`, accounts: 2, unknown: 0, freeze: fakes.frozen };
    },
    async solveFleet(input) {
      record('solveFleet', input);
      const plan: FleetPlanSummary = {
        ...{ id: input.planId, at: input.at, status: 'proven', costPerHour: 4, currency: 'USD', gap: 0 },
        ...{ accounts: 2, unknown: 0, short: 0, conflict: null, held: [] },
        fields: [...fakes.wanted].flatMap(([pool, value]) => {
          const now = fakes.nodes.get(pool) ?? { nodes: 0, owner: null };
          if (now.nodes === value) return [];
          const target = { field: 'nodes' as const, pool, value };
          const cluster = pool === 'edge' ? 'edge' : 'main';
          return [{ target, seen: { value: now.nodes, owner: now.owner }, reason: 'demand', cluster }];
        }),
      };
      return { plan };
    },
    async publishGrants(input) {
      record('publishGrants', input);
      fakes.grants.push({ planId: input.planId, until: input.until });
      return { grants: 2 };
    },
    async recommendCommitments(input) {
      record('recommendCommitments', input);
      const lines = ['reserve 3 nodes of pool general for season'];
      return { recommendationId: input.recommendationId, lines, open: 1 };
    },
    async sizePools(input) {
      await fakes.beforeSizing();
      record('sizePools', input);
      return {
        sized: input.mutations.map((mutation) => ({
          pool: 'pool' in mutation.target ? mutation.target.pool : '',
          field: 'nodes',
          result: apply(mutation),
        })),
      };
    },
    async recordContingency(input) {
      record('recordContingency', input);
      fakes.contingencies.push(input.contingency);
    },
    async recordOutcome(input) {
      record('recordOutcome', input);
      fakes.outcomes.push(input.outcome);
    },
  };
  return fakes;
}

function failure(message: string, nonRetryable: boolean): ApplicationFailure {
  const thrown = ApplicationFailure.create({ type: 'unavailable', message, nonRetryable });
  // A stack names files of this machine, and histories of it are committed.
  thrown.stack = '';
  return thrown;
}

export const callsOf = (fakes: FleetFakes, name: Named): FleetFakes['calls'] =>
  fakes.calls.filter((call) => call.name === name);
