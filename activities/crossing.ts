import { blackoutAt } from '../src/allocate/blackout.js';
import { gibBetween } from '../src/allocate/egress.js';
import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from '../src/domain/account.js';
import { poolProblems } from '../src/domain/choose-pool.js';
import { placedAt, type ClusterMigrationOrder } from '../src/domain/cluster-migration.js';
import { modeProblem } from '../src/domain/mode-problem.js';
import type { CrossingActivities } from './crossing-types.js';
import { translated } from './failures.js';
import type { MigrateDependencies } from './migrate.js';
import { haltedBy } from './halted.js';
import { askingAccounts, createPolicies } from './policies.js';

/** What of a move to another cluster needs no cluster: the account file's own rules, its records, and telling the account. */
export function createCrossing(deps: Pick<MigrateDependencies, 'store' | 'fence' | 'accounts'>): CrossingActivities {
  const policies = askingAccounts(createPolicies(deps.store), deps.accounts);
  const halted = haltedBy(deps);
  const put = (order: ClusterMigrationOrder, at: number, body: unknown): Promise<void> =>
    deps.store.putRecord({ kind: 'migration', id: order.id, account: order.account, at, body });

  return {
    openCrossing: ({ order, at }) =>
      translated(async () => {
        const stop = await halted(order.account);
        if (stop !== null) return stop;
        const policy = await policies.get(order.policyId);
        const there = placedAt(policy, order.to);
        const policyIdThere = `${order.account}@there-${order.to.cluster}-${order.number}`;
        // Older than any other: whoever reads an account's newest policy is not told of one that is not in force.
        await policies.remember(policyIdThere, there, 0);
        return { policyIdThere, refusals: problemsOf(policy, there, order, at), costs: costsOf(policy, there, order) };
      }),
    placeAccount: ({ order, back, queue }) =>
      translated(async () => {
        const place = back ? order.from : order.to;
        const told = await deps.accounts.setPolicy(
          order.account,
          (policy) => placedAt(policy, place),
          `migration ${order.id}`,
          queue,
        );
        return told === null
          ? { revision: null, detail: `account ${order.account} does not run: nobody was told` }
          : { revision: told.revision, detail: `account ${order.account} is in cluster ${place.cluster}` };
      }),
    recordCrossing: ({ order, survey, at }) =>
      translated(() => put(order, at, { crossing: order, survey, outcome: null })),
    recordCrossingOutcome: ({ order, outcome }) =>
      translated(async () => {
        const record = await deps.store.getRecord('migration', order.id);
        const known = typeof record?.body === 'object' && record.body !== null ? record.body : {};
        await put(order, record?.at ?? outcome.startedAt, { ...known, crossing: order, outcome });
      }),
  };
}

/** Why the account file does not let it go there, each with what to do about it. */
function problemsOf(policy: AccountPolicy, there: AccountPolicy, order: ClusterMigrationOrder, at: number): string[] {
  const { to, from } = order;
  const problems: string[] = [];
  const mode = modeProblem(policy, 'the migration');
  if (mode !== null) problems.push(mode);
  if (to.cluster === from.cluster)
    problems.push(`account ${order.account} is in cluster ${to.cluster} already; name another`);
  if (policy.tasks.length > 0) {
    problems.push(
      `tasks ${policy.tasks.map(({ name }) => name).join(', ')} run by CronJobs of cluster ${from.cluster}, which do not move: make them in ${to.cluster} and take them out of the account file first`,
    );
  }
  const blackout = blackoutAt(policy, at);
  if (blackout !== null) problems.push(`blackout ${blackout.name} (${blackout.reason}) lasts; move it after that`);
  for (const workload of there.workloads) {
    const candidates = poolsOf(there, workload);
    const refused = candidates.map((pool) => poolProblems(there, workload, pool.name));
    if (candidates.length === 0 || refused.every((one) => one.length > 0)) {
      problems.push(
        ...(refused[0] ?? [`the account file has no pool of ${to.cluster} for ${workload.name}; give one with -f`]),
      );
    }
  }
  const bill = twiceOf(policy, there);
  const { perHour } = policy.budget ?? { perHour: Number.POSITIVE_INFINITY };
  if (bill > perHour * (1 + 1e-9)) {
    problems.push(
      `while both clusters serve, its least replicas alone cost ${figure(bill)} ${policy.currency} an hour, over the budget of ${figure(perHour)}; raise the budget for that time`,
    );
  }
  return problems;
}

const poolsOf = ({ pools }: AccountPolicy, workload: WorkloadPolicy): PoolPolicy[] =>
  pools.filter(({ name }) => workload.pools?.includes(name) ?? true);

/** Money an hour of the least replicas in both places at once, on the cheapest pools that they may be on. */
const twiceOf = (policy: AccountPolicy, there: AccountPolicy): number =>
  [policy, there].reduce(
    (sum, one) => sum + one.workloads.reduce((all, workload) => all + leastOf(one, workload), 0),
    0,
  );

function leastOf(policy: AccountPolicy, workload: WorkloadPolicy): number {
  const shares = poolsOf(policy, workload).map((pool) => {
    const most = Object.entries(workload.components).map(([component, { request }]) => {
      const offered = Object.entries(pool.node).find(([name]) => name === component)?.[1];
      return request === undefined || offered === undefined || offered <= 0 ? 0 : request / offered;
    });
    return Math.max(0, ...most) * pool.pricePerHour;
  });
  return workload.replicas.min * (shares.length === 0 ? 0 : Math.min(...shares));
}

/** What is copied once from where it is to where it goes, by the dearest price between the two. */
function costsOf(policy: AccountPolicy, there: AccountPolicy, { to }: ClusterMigrationOrder): string[] {
  return policy.workloads.flatMap((workload) => {
    const gib = workload.migration?.gib ?? 0;
    const target = there.workloads.find(({ name }) => name === workload.name);
    if (gib === 0 || target === undefined) return [];
    const prices = poolsOf(policy, workload).flatMap((from) =>
      poolsOf(there, target).map((pool) => gibBetween(policy, from, pool)),
    );
    const money = gib * Math.max(0, ...prices);
    return money === 0
      ? []
      : [`${workload.name}: ${figure(gib)} GiB to ${to.cluster}, ${figure(money)} ${policy.currency} of egress once`];
  });
}

const figure = (value: number): string => String(Number(value.toPrecision(3)));
