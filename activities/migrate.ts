import { setTimeout as delay } from 'node:timers/promises';
import { activityInfo, heartbeat } from '@temporalio/activity';
import { z } from 'zod';
import type { AccountPolicy } from '../src/domain/account.js';
import { HeadroomError } from '../src/domain/errors.js';
import {
  copyName,
  NO_DOWNTIME,
  targetWords,
  type Downtime,
  type MigrationOrder,
  type MigrationSurvey,
  type MigrationTarget,
} from '../src/domain/migration.js';
import { blackoutLimit, budgetLimit, placeLimits, takesOn } from '../src/allocate/index.js';
import { choosePool, poolProblems, replicaPrice } from '../src/domain/choose-pool.js';
import { modeProblem } from '../src/domain/mode-problem.js';
import { pointedAt, putBack } from '../src/domain/moved.js';
import type { Plan } from '../src/domain/plan.js';
import {
  formatDuration,
  simulatedNow,
  wallMilliseconds,
  type EpochSeconds,
  type TimeScale,
} from '../src/domain/time.js';
import type { Migrating, MoveLook, MoveRequest } from '../src/cluster/migrating.js';
import { actionsOf } from '../src/domain/actions.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import { haltedBy } from './halted.js';
import type { Halted, MigrateActivities, MigrationRef, WatchResult } from './migrate-types.js';
import { askingAccounts, createPolicies, targetOf, type KnownPolicies } from './policies.js';
import { createPrefetch } from './prefetch.js';
import { keepManifests, withManifests } from './manifests.js';
import { createTrafficHook } from './traffic-hook.js';
import type { Store } from '../src/telemetry/port.js';

/** Between two looks while something is waited for, simulated seconds and least wall milliseconds. */
const LOOK_EVERY_SECONDS = 15;
const LOOK_AT_LEAST_MS = 100;
/** Between two looks while traffic is watched: what is shorter is not seen where a cluster does not count requests. */
const SAMPLE_EVERY_SECONDS = 1;
/** As often as a person's halt has to be heard. */
const HALT_EVERY_MS = 2000;

/** What a migration needs to know and to say of accounts. */
export interface Accounts extends KnownPolicies {
  /** Why an account is paused, in words; null where it is not, or does not run. */
  paused(account: string): Promise<string | null>;
  /**
   * Has the account take its policy over from here; null where it does not run.
   * @param clusterQueue where its cluster is looked at from then on; absent: where it was.
   * @throws HeadroomError `refused`.
   */
  setPolicy(
    account: string,
    alter: (policy: AccountPolicy) => AccountPolicy,
    author: string,
    clusterQueue?: string,
  ): Promise<{ revision: number } | null>;
}

export interface MigrateDependencies extends Pick<Dependencies, 'store' | 'cluster' | 'fence' | 'behavior'> {
  accounts: Accounts;
  /** Where secrets of hooks are. */
  env?: NodeJS.ProcessEnv;
}

/** The activities of a migration: each step is one of these, over the cluster's port for moving workloads. */
export function createMigration(deps: MigrateDependencies): MigrateActivities {
  const policies = askingAccounts(createPolicies(deps.store), deps.accounts);
  const prefetch = createPrefetch(deps, policies);

  const stops = haltedBy(deps);
  const halted = async (account: string, fenced: boolean): Promise<Halted | null> => (fenced ? stops(account) : null);

  const opened = async ({
    order,
    target,
    copy,
    before,
  }: MigrationRef): Promise<{ policy: AccountPolicy; request: MoveRequest; migrating: Migrating }> => {
    const policy = await policies.get(order.policyId);
    return {
      policy,
      request: await withManifests(deps.store, requestOf(policy, order, { target, copy, before })),
      migrating: migratingOf(deps, policy, order),
    };
  };

  /** Waits until a look is as it should be; heartbeats what is missing. */
  const until = async (
    { order, target, copy, before }: MigrationRef,
    wait: { limit: number; scale: TimeScale; fenced: boolean; what: (look: MoveLook) => string | null },
    signal: AbortSignal,
  ) => {
    const { request, migrating } = await opened({ order, target, copy, before });
    const from = simulatedNow(wait.scale, Date.now());
    const pause = Math.max(LOOK_AT_LEAST_MS, wallMilliseconds(wait.scale, LOOK_EVERY_SECONDS));
    let asked = 0;
    for (;;) {
      const missing = wait.what(await migrating.look(request, signal));
      const waited = Math.round(simulatedNow(wait.scale, Date.now()) - from);
      if (missing === null) return { kind: 'ready' as const, waited };
      if (waited >= wait.limit) return { kind: 'not-ready' as const, waited, detail: missing };
      if (Date.now() - asked >= HALT_EVERY_MS) {
        const stop = await halted(order.account, wait.fenced);
        if (stop !== null) return stop;
        asked = Date.now();
      }
      heartbeat(missing);
      await delay(pause, undefined, { signal });
    }
  };

  /** One side of a move to another cluster, before anything is touched: what is to be made there goes into the store. */
  const surveySide = async (
    policy: AccountPolicy,
    order: MigrationOrder,
    signal: AbortSignal,
  ): Promise<MigrationSurvey> => {
    const target = order.target ?? { pool: null, namespace: null, cluster: null };
    const { name } = targetOf(policy, order.workload);
    const request = await withManifests(deps.store, requestOf(policy, order, { target, copy: name, before: null }));
    const { manifests, ...survey } = await migratingOf(deps, policy, order).survey(request, signal);
    if (manifests !== undefined) await keepManifests(deps.store, order, manifests, Math.floor(Date.now() / 1000));
    const workload = policy.workloads.find((one) => one.name === order.workload);
    return {
      ...{ ...survey, target, chosen: `${targetWords(target)}, as told` },
      warm:
        workload === undefined
          ? []
          : actionsOf(workload).flatMap((one) => (one.kind === 'prepull' ? [] : [one.action])),
    };
  };

  return {
    surveyMigration: ({ order, at: begins }) =>
      translated(async (signal) => {
        const stop = await halted(order.account, true);
        if (stop !== null) return stop;
        const policy = await policies.get(order.policyId);
        const workload = policy.workloads.find(({ name }) => name === order.workload);
        if (workload === undefined) {
          throw notFound(
            order,
            `the account file names no workload "${order.workload}"`,
            `it names ${policy.workloads.map(({ name }) => name).join(', ')}`,
          );
        }
        const at = targetOf(policy, order.workload);
        const copy = copyName(at.name, order.workload, order.number);
        if (order.cross !== undefined) return surveySide(policy, order, signal);
        const chosen =
          order.target === null
            ? choosePool(policy, workload, (pool) =>
                order.evenIfLimited === true ? [] : placeLimits(policy, workload, pool),
              )
            : { target: order.target, words: `${targetWords(order.target)}, as told` };
        const mode = modeProblem(policy, 'the migration');
        const modes = mode === null ? [] : [mode];
        if (chosen.target === null) return refusedSurvey(order, copy, [...modes, chosen.words]);
        const { pool, cluster } = chosen.target;
        // The pools of another cluster are not those of the account file.
        const refusals = pool === null || cluster !== null ? [] : poolProblems(policy, workload, pool);
        const request = requestOf(policy, order, { target: chosen.target, copy, before: null });
        const survey = await migratingOf(deps, policy, order).survey(request, signal);
        const limits = cluster === null ? await limitsOf(deps.store, order, policy, pool, survey.source, begins) : [];
        return {
          ...survey,
          refusals: [...modes, ...refusals, ...limits, ...survey.refusals],
          target: chosen.target,
          chosen: chosen.words,
          ...(order.stop === true ? { stopped: stoppedWords(order) } : {}),
          warm: actionsOf(workload).flatMap(({ action, kind }) => (kind === 'prepull' ? [] : [action])),
        };
      }),

    writeMigration: (input) =>
      translated(async (signal) => {
        const stop = await halted(input.order.account, input.fenced);
        if (stop !== null) return stop;
        const { request, migrating } = await opened(input);
        return migrating.write(request, input.write, signal);
      }),

    awaitStaged: ({ limit, scale, ...ref }) =>
      translated(async (signal) => {
        const seen: { images: MoveLook['images'] } = { images: null };
        const what = ({ images }: MoveLook): string | null => {
          seen.images = images;
          return images === null || images.done + images.failed >= images.of
            ? null
            : `images on ${images.done} of ${images.of} nodes`;
        };
        const waited = await until(ref, { limit, scale, fenced: false, what }, signal);
        const { images } = seen;
        if (images === null) return { staged: true, detail: 'no images had to be pulled ahead' };
        const words = `images on ${images.done} of ${images.of} nodes after ${'waited' in waited ? waited.waited : 0}s`;
        return { staged: images.done >= images.of, detail: words };
      }),

    awaitCopy: ({ replicas, limit, scale, fenced, ...ref }) =>
      translated((signal) => {
        const what = ({ copy }: MoveLook): string | null => {
          if (copy === null) return `${ref.copy} is gone`;
          if (copy.ready >= replicas && copy.replicas >= replicas) return null;
          const why = copy.troubles.map(({ reason, pods, words }) => `${pods} ${reason}: ${words}`).join('; ');
          return `${copy.ready} of ${replicas} replicas of ${ref.copy} ready${why === '' ? '' : ` (${why})`}`;
        };
        return until(ref, { limit, scale, fenced, what }, signal);
      }),

    awaitStopped: ({ limit, scale, fenced, ...ref }) =>
      translated((signal) => {
        const what = ({ running }: MoveLook): string | null =>
          (running ?? 0) === 0 ? null : `${running} pods of the source run or end still`;
        return until(ref, { limit, scale, fenced, what }, signal);
      }),

    awaitSource: ({ replicas, limit, scale, fenced, ...ref }) =>
      translated((signal) => {
        const what = ({ source }: MoveLook): string | null =>
          source === null
            ? 'the source is gone'
            : source.ready >= replicas
              ? null
              : `${source.ready} of ${replicas} replicas of the source ready`;
        return until(ref, { limit, scale, fenced, what }, signal);
      }),

    watchMigration: ({ for: length, scale, weight, fenced, ...ref }) => {
      // What a worker that died had sampled goes on, each heartbeat carries it: the time without any is one long gap.
      const sampled = resumed(activityInfo().heartbeatDetails) ?? { ...NO_DOWNTIME, last: null };
      const work = async (signal: AbortSignal): Promise<WatchResult> => {
        const { request, migrating } = await opened(ref);
        const from = simulatedNow(scale, Date.now());
        const pause = Math.max(LOOK_AT_LEAST_MS, wallMilliseconds(scale, SAMPLE_EVERY_SECONDS));
        let asked = 0;
        for (;;) {
          const look = await migrating.look(request, signal);
          const at = simulatedNow(scale, Date.now());
          // One side of a move to another cluster sees its own replicas, and knows the weight that was asked for.
          const share = ref.order.cross === undefined ? unservedShare(look) : unservedSide(look, weight);
          if (share !== null && look.counted === null) {
            // A gap is as long as the time between the samples that saw it.
            if (sampled.last !== null) {
              sampled.seconds += sampled.last.unserved * (at - sampled.last.at);
              sampled.resolution = Math.max(sampled.resolution, at - sampled.last.at);
            }
            sampled.last = { at, unserved: share };
          }
          const { last: _last, ...measured } = sampled;
          const downtime: Downtime = look.counted === null ? measured : countedDowntime(look.counted);
          const state = { downtime, source: look.source?.replicas ?? null, mayTake: look.mayTake };
          const broken = brokenBy(look, weight, ref);
          if (broken !== null) return { kind: 'broken', detail: broken, ...state };
          if (Date.now() - asked >= HALT_EVERY_MS) {
            const stop = await halted(ref.order.account, fenced);
            if (stop !== null) return { ...state, ...stop };
            asked = Date.now();
          }
          if (at - from >= length) return { kind: 'held', detail: '', ...state };
          heartbeat(sampled);
          await delay(Math.min(pause, Math.max(1, wallMilliseconds(scale, length - (at - from)))), undefined, {
            signal,
          });
        }
      };
      return translated(work, () => sampled);
    },

    warmWorkload: ({ at, ...ref }) =>
      translated(async (signal) => {
        const { order } = ref;
        const { actions } = await prefetch(
          {
            ...{ account: order.account, policyId: order.policyId, at, workload: order.workload, dry: false },
            key: `change/${order.account}/migration-${order.workload}-${order.cross === undefined ? '' : `${order.cross.to}-`}${order.number}`,
          },
          signal,
          'all',
        );
        const words = actions.map(({ action, result, ok }) => ({ ok, text: `${action}: ${result ?? ''}` }));
        return {
          done: words.flatMap(({ ok, text }) => (ok ? [text] : [])),
          leftOut: words.flatMap(({ ok, text }) => (ok ? [] : [text])),
          dataSets: [...new Set(actions.flatMap(({ dataSets }) => dataSets.map(({ dataSet }) => dataSet)))],
        };
      }),

    retargetAccount: ({ back, ...ref }) =>
      translated(async () => {
        const { order, copy, target } = ref;
        const before = await policies.get(order.policyId);
        const was = before.workloads.find(({ name }) => name === order.workload);
        const author = `migration ${order.id}`;
        const told = await deps.accounts.setPolicy(
          order.account,
          (policy) => (back ? putBack(policy, order.workload, was) : pointedAt(policy, order.workload, copy, target)),
          author,
        );
        return told === null
          ? { revision: null, detail: `account ${order.account} does not run: nobody was told` }
          : { revision: told.revision, detail: `account ${order.account} looks after ${back ? 'the source' : copy}` };
      }),

    confirmAsBefore: (ref) =>
      translated(async (signal) => {
        const { request, migrating } = await opened(ref);
        const { weight, claim, made, counted } = await migrating.look(request, signal);
        const left = [
          ...(weight === null || weight === 0 ? [] : [`${weight}% of the traffic is led to the copy`]),
          ...(claim === ref.order.id ? ['the claim stands on the source'] : []),
          ...made.map((object) => `${object} is there`),
        ];
        const detail = left.join('; ');
        return {
          restored: left.length === 0,
          detail,
          ...(counted === null ? {} : { downtime: countedDowntime(counted) }),
        };
      }),

    recordMigration: ({ order, survey, at }) =>
      translated(() => put(deps.store, order, at, { order, survey, outcome: null })),
    recordMigrationOutcome: ({ order, outcome }) =>
      translated(async () => {
        const record = await deps.store.getRecord('migration', order.id);
        const known = typeof record?.body === 'object' && record.body !== null ? record.body : {};
        await put(deps.store, order, record?.at ?? outcome.startedAt, { ...known, order, outcome });
      }),

    prefetch: (input) => translated((signal) => prefetch(input, signal, 'data-sets')),
  };
}

/** The account's own limits that a move to one of its pools is against, unless it was told to go on all the same. */
async function limitsOf(
  store: Pick<Store, 'listRecords'>,
  order: MigrationOrder,
  policy: AccountPolicy,
  to: string | null,
  { replicas }: MigrationSurvey['source'],
  at: EpochSeconds | undefined,
): Promise<string[]> {
  const workload = policy.workloads.find(({ name }) => name === order.workload);
  const pool = policy.pools.find(({ name }) => name === to);
  if (order.evenIfLimited === true || workload === undefined || pool === undefined) return [];
  // What the nodes cost now only plans know: without one the budget is left to the first.
  const [newest] = policy.budget === undefined ? [] : await store.listRecords('plan', order.account, { limit: 1 });
  const plan = newest?.body as Pick<Plan, 'costPerHour'> | undefined;
  const bill = plan === undefined ? 0 : plan.costPerHour + replicas * replicaPrice(pool, workload);
  const limits = [
    ...placeLimits(policy, workload, pool),
    ...(at === undefined ? [] : blackoutLimit(policy, at, takesOn(policy, workload, pool))),
    ...budgetLimit(policy, bill),
  ];
  return limits.map((words) => `${words}, or give --even-if-limited`);
}

const put = (store: Store, order: MigrationOrder, at: number, body: unknown): Promise<void> =>
  store.putRecord({ kind: 'migration', id: order.id, account: order.account, at, body });

function migratingOf(
  deps: Pick<MigrateDependencies, 'cluster' | 'env'>,
  policy: AccountPolicy,
  order: MigrationOrder,
): Migrating {
  if (order.cross?.side === 'traffic' && order.cross.traffic === 'hook')
    return createTrafficHook(policy, order, deps.env);
  const name = policy.cluster;
  const { migrating, crossing } = deps.cluster(name);
  const able = order.cross === undefined ? migrating : crossing;
  if (able !== undefined) return able;
  throw new HeadroomError({
    ...{ kind: 'refused', component: 'activities/migrate', action: `migrating ${order.account}/${order.workload}` },
    problem: `cluster ${name} cannot move workloads${order.cross === undefined ? '' : ' from or to other clusters'}`,
    remedy: 'move it by hand',
  });
}

/** What a request says besides the ids: where the nodes of the pool are, and which taints its pods bear. */
function requestOf(
  policy: AccountPolicy,
  order: MigrationOrder,
  { target, copy, before }: { target: MigrationTarget; copy: string; before: string | null },
): MoveRequest {
  const pool = policy.pools.find(({ name }) => name === target.pool);
  const { placeholders, karpenter } = pool?.provisioning ?? {};
  const nodeSelector =
    pool === undefined
      ? {}
      : (pool.nodeSelector ??
        (karpenter === undefined
          ? { 'headroom.dev/pool': pool.name }
          : { 'karpenter.sh/nodepool': karpenter.nodePool ?? pool.name }));
  const { id, account, workload, noTraffic, backend, old, stop } = order;
  // While the source is stopped there is nothing to be led over in parts.
  const steps = stop === true ? [100] : order.steps;
  const copyVolumes = order.copyVolumes || stop === true;
  return {
    ...{ id, account, at: targetOf(policy, workload), copy, to: target, nodeSelector },
    tolerations: placeholders?.tolerations ?? [],
    ...{ copyVolumes, noTraffic, backend, steps, old, before, stop },
    ...(order.cross === undefined ? {} : { cross: order.cross }),
  };
}

const refusedSurvey = (order: MigrationOrder, copy: string, refusals: string[]) => ({
  refusals,
  target: { pool: null, namespace: null, cluster: null },
  chosen: refusals.join('; '),
  source: { words: `${order.account}/${order.workload}`, replicas: 0, ready: 0 },
  copy: { words: copy, name: copy },
  traffic: { kind: 'none' as const, words: '', steps: [] },
  ...{ images: [], volumes: [], warm: [], reverse: [], before: '' },
});

const stoppedWords = ({ limits: { ready } }: MigrationOrder): string =>
  `nobody serves from when its replicas are stopped until the copy is ready, as long as its volumes take to copy: ` +
  `${formatDuration(2 * ready)} at most, or all goes back`;

const countedDowntime = ({ all, unserved, seconds }: NonNullable<MoveLook['counted']>): Downtime => ({
  ...{ seconds, requests: { all, unserved }, resolution: 0 },
});

/** The share of the traffic whose backend has no ready replica; null where none is led. */
const unservedShare = ({ weight, source, copy }: MoveLook): number | null => {
  if (weight === null) return null;
  const share = weight / 100;
  return ((copy?.ready ?? 0) === 0 ? share : 0) + ((source?.ready ?? 0) === 0 ? 1 - share : 0);
};

/** The same of one side alone; the shares of both sides add up. Null where nobody is served there. */
function unservedSide({ source, copy }: MoveLook, weight: number): number | null {
  if (source === null && copy === null) return null;
  return (source?.ready === 0 ? 1 - weight / 100 : 0) + (copy?.ready === 0 ? weight / 100 : 0);
}

/** Why traffic must not stay as it is; null while it may. */
function brokenBy(look: MoveLook, weight: number, { order, copy }: MigrationRef): string | null {
  if (look.claim !== null && look.claim !== order.id) return `migration ${look.claim} has claimed the workload`;
  const serves = order.cross === undefined || order.cross.side === 'target';
  if (serves && weight > 0 && (look.copy?.ready ?? 0) === 0) return `no replica of ${copy} is ready`;
  if (look.weight !== null && Math.abs(look.weight - weight) > 0.5) {
    return `${look.weight}% of the traffic is led to ${copy}, not ${weight}%: somebody else has changed it`;
  }
  return null;
}

/** Downtime so far, and the last sample of it: what stands between that and the next is not known better than by both. */
const sampledSchema = z.object({
  ...{ seconds: z.number(), resolution: z.number(), requests: z.null() },
  last: z.object({ at: z.number(), unserved: z.number() }).nullable().default(null),
});

const resumed = (details: unknown): z.output<typeof sampledSchema> | null =>
  sampledSchema.safeParse(details).data ?? null;

const notFound = (order: MigrationOrder, problem: string, remedy: string): HeadroomError =>
  new HeadroomError({
    kind: 'not-found',
    component: 'activities/migrate',
    action: `migrating ${order.account}/${order.workload}`,
    problem,
    remedy,
  });
