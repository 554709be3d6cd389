import { blackoutAt } from '../src/allocate/blackout.js';
import { refreshed, shareOf } from '../src/domain/answer.js';
import type { ContingencySet, PreparedAnswer } from '../src/domain/contingency.js';
import { HeadroomError } from '../src/domain/errors.js';
import type { Plan, PlanSummary, Verdict } from '../src/domain/plan.js';
import { runningNow } from '../src/domain/running.js';
import { isoTime } from '../src/domain/time.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import { observeRequest, type Policies } from './policies.js';
import type { Activities } from './types.js';

/** A trigger has fired: the prepared answer, as it is to be written by what is there now. */
export function createAnswer(deps: Dependencies, policies: Policies): Pick<Activities, 'answer'> {
  return {
    answer: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const { set, answer: whole } = await find(deps, input);
        const answer = forWorkloads(whole, set, input.workloads);
        const state = await deps.cluster(policy.cluster).observe(
          observeRequest(
            policy,
            answer.plan.fields.map(({ target }) => target),
          ),
          signal,
        );
        const { fields, left } = refreshed(answer.plan.fields, state);
        const blackout = blackoutAt(policy, input.at);
        const plan: PlanSummary = {
          ...answer.plan,
          // One surprise may come again while its set holds: each time is a plan of its own.
          id: `${set.id}/${input.key}@${Math.round(input.at)}`,
          at: input.at,
          verdict: verdictOf(input.what, fields.length, left, blackout),
          fields: blackout === null ? fields : [],
          firedBy: { key: input.key, setId: input.setId, what: input.what },
        };
        await deps.store.putRecord({
          kind: 'plan',
          id: plan.id,
          account: input.account,
          at: input.at,
          body: { ...recordOf(plan, set, answer, input.account), running: runningNow(state) },
        });
        const workloads = answer.plan.fields.flatMap(({ target }) => ('workload' in target ? [target.workload] : []));
        return { plan, pools: answer.pools, workloads: [...new Set(workloads)] };
      }),
  };
}

/** What of an answer is for the workloads that surprised, and what that costs. */
function forWorkloads(answer: PreparedAnswer, set: ContingencySet, workloads: string[] | undefined): PreparedAnswer {
  const { plan, block } = answer;
  const fields = shareOf(answer, workloads);
  if (fields === plan.fields || workloads === undefined) return answer;
  const nodesOf = (some: PlanSummary['fields'], pool: string): number | undefined =>
    some.find(({ target }) => target.field === 'nodes' && target.pool === pool)?.target.value;
  const [all, kept] = [plan.fields, fields].map((some) =>
    some.reduce((sum, { target, seen }) => (target.field === 'nodes' ? sum + target.value - seen.value : sum), 0),
  );
  const share = all === undefined || all <= 0 ? 1 : (kept ?? 0) / all;
  return {
    ...answer,
    plan: {
      ...plan,
      fields,
      costPerHour: Number((set.costPerHour + share * answer.extraPerHour).toPrecision(9)),
    },
    block:
      block === null
        ? null
        : {
            ...block,
            workloads: block.workloads.filter(({ workload }) => workloads.includes(workload)),
            nodes: Object.fromEntries(
              Object.entries(block.nodes).map(([pool, nodes]) => [
                pool,
                nodesOf(plan.fields, pool) === undefined
                  ? nodes
                  : Math.min(nodes, nodesOf(fields, pool) ?? set.basis[`${pool}.nodes`] ?? nodes),
              ]),
            ),
          },
  };
}

async function find(
  deps: Dependencies,
  { account, setId, key }: { account: string; setId: string; key: string },
): Promise<{ set: ContingencySet; answer: PreparedAnswer }> {
  const record = await deps.store.getRecord('answers', setId);
  const set = record?.account === account ? (record.body as ContingencySet) : null;
  const answer = set?.answers.find((one) => one.key === key);
  if (set !== null && answer !== undefined) return { set, answer };
  throw new HeadroomError({
    kind: 'not-found',
    component: 'activities/answer',
    action: `answering ${key} of ${account}`,
    problem: `the store has no such answer in ${setId}`,
    remedy: 'was the telemetry file replaced? the next cycle prepares answers anew',
  });
}

function verdictOf(
  what: string,
  count: number,
  left: readonly string[],
  blackout: ReturnType<typeof blackoutAt>,
): Verdict {
  const tell = (detail: string): string => [`${what}: ${detail}`, ...left].join('; ');
  if (blackout !== null) {
    const detail = tell(`blackout ${blackout.name} until ${isoTime(blackout.until)}: ${blackout.reason}`);
    return { kind: 'hold', reason: 'blackout', detail };
  }
  if (count === 0) return { kind: 'hold', reason: 'steady', detail: tell('what is there is what the answer wants') };
  return { kind: 'act', source: 'contingency', detail: tell(`the prepared answer, ${count} to raise`) };
}

/** What `plan` and `why` read: the plan that was prepared, as it is carried out. */
const recordOf = (plan: PlanSummary, set: ContingencySet, { block }: PreparedAnswer, account: string): Plan => ({
  ...plan,
  account,
  snapshotId: '',
  forecastId: '',
  blocks: block === null ? [] : [block],
  placements: [],
  solver: { iterations: 0, objective: 0, gap: 0, warm: true, status: `prepared at ${isoTime(set.preparedAt)}` },
});
