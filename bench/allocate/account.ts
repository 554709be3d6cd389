import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPlan, createAllocator, createHighsSolver, type Solver } from '../../src/allocate/index.js';
import type { LinearModel } from '../../src/allocate/model.js';
import type { AllocationInput, SolverBasis } from '../../src/allocate/problem.js';
import { accountFileSchema } from '../../src/domain/account.js';
import type { ClusterState } from '../../src/domain/cluster.js';
import { percentile, type BenchResult } from '../result.js';

/*
 * One account: 50 workloads × 24 blocks, cycle after cycle, each from what the last plan made of it; beside native HiGHS on the
 * very same linear programs, and on the first as a mixed-integer one. And 5,000 workloads at once.
 */

const START = 1_772_445_600;
const GiB = 2 ** 30;
const HOUR = 3600;
const CYCLES = 24;
const WARMED = 4;

/** `workloads` of two components on four pools, each with a wave of its own; `cycle` moves the time on by 5 minutes. */
export function accountSetting(
  workloads: number,
  blocks: number,
  cycle: number,
  before?: { replicas: Record<string, number>; nodes: Record<string, number> },
): AllocationInput {
  const at = START + cycle * 300;
  const levels = ['low', 'normal', 'high', 'critical'] as const;
  const most = 4 * workloads;
  const policy = accountFileSchema.parse({
    ...{ version: 'headroom/v1', account: 'bench', ownership: 'own', spotMaxShare: 0.5 },
    workloads: Array.from({ length: workloads }, (_, index) => ({
      name: `w${index}`,
      criticality: levels[index % 4],
      components: {
        cpu: { request: 0.5 + (index % 4) * 0.5 },
        memory: { request: `${1 + (index % 3)}Gi` },
      },
      replicas: { min: 1 + (index % 2), max: 40 },
    })),
    pools: [
      {
        ...{ name: 'reserved', capacityType: 'reserved', size: 'fixed', pricePerHour: 0.25 },
        ...{ node: { cpu: 8, memory: '32Gi' }, max: Math.ceil(0.4 * workloads) },
      },
      { name: 'general', pricePerHour: 0.4, node: { cpu: 8, memory: '32Gi' }, max: most },
      {
        ...{ name: 'spot', capacityType: 'spot', pricePerHour: 0.15, interruptionsPerHour: 0.05 },
        ...{ node: { cpu: 8, memory: '32Gi' }, max: most },
      },
      { name: 'large', pricePerHour: 0.7, node: { cpu: 16, memory: '64Gi' }, max: most },
    ],
  });
  const spans = Array.from({ length: blocks }, (_, index) => ({
    from: at + index * HOUR,
    to: at + (index + 1) * HOUR,
  }));
  const demand = policy.workloads.flatMap(({ name }, index) => {
    const amounts = spans.map(
      ({ from }) =>
        3 + (index % 5) + 2 * Math.sin((from / 86_400) * 2 * Math.PI + index) + 0.3 * Math.sin(from / 997 + index * 3),
    );
    const series = (component: 'cpu' | 'memory', scale: number) => ({
      ...{ workload: name, component, level: 0.99, farLevel: 0.999 },
      blocks: amounts.map((amount) => ({
        lower: amount * 0.5 * scale,
        median: amount * 0.8 * scale,
        atLevel: amount * scale,
        far: amount * 1.2 * scale,
      })),
    });
    return [series('cpu', 1), series('memory', 1.8 * GiB)];
  });
  const state: ClusterState = {
    at,
    workloads: policy.workloads.map((workload, index) => {
      const replicas = before?.replicas[workload.name] ?? 4 + (index % 3);
      const request: Record<string, number> = {};
      for (const [component, settings] of Object.entries(workload.components)) request[component] = settings.request;
      return {
        ...{ workload: workload.name, exists: true, replicas, readyReplicas: replicas, request, autoscaler: null },
        owners: { replicas: null, request: null, floor: null },
      };
    }),
    pools: policy.pools.map((pool) => {
      const nodes = pool.size === 'fixed' ? pool.max : (before?.nodes[pool.name] ?? Math.ceil(workloads / 10));
      return { pool: pool.name, nodes, readyNodes: nodes, owner: null };
    }),
  };
  return {
    ...{ account: 'bench', at: at - 300, snapshotId: 's', forecastId: 'f', policy, blocks: spans, demand, state },
    overrides: [],
  };
}

/** Milliseconds of this process's own work: other load on the machine does not count. */
const processor = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** @param python a Python that has `highspy`; null: the peer is left out, and said to be. */
export async function benchAccount(python: string | null): Promise<BenchResult[]> {
  const inner = await createHighsSolver();
  let solved: { model: LinearModel; ms: number }[] = [];
  const solver: Solver = {
    version: inner.version,
    solve(model, options) {
      const from = processor();
      const solution = inner.solve(model, options);
      solved.push({ model, ms: processor() - from });
      return solution;
    },
  };
  const allocator = await createAllocator({ solver, wholeBlocks: true });
  const times = {
    cold: new Array<number>(),
    warm: new Array<number>(),
    coldLp: new Array<number>(),
    warmLp: new Array<number>(),
  };
  const gaps: number[] = [];
  const models: LinearModel[] = [];
  let broken = 0;
  let basis: SolverBasis | undefined;
  let before: Parameters<typeof accountSetting>[3];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const input = accountSetting(50, 24, cycle, before);
    const timed = (given: AllocationInput) => {
      solved = [];
      const from = processor();
      const result = allocator.allocate(given);
      return { result, ms: processor() - from, first: solved[0] };
    };
    const cold = timed(input);
    const warm = timed({ ...input, ...(basis === undefined ? {} : { basis }) });
    ({ basis } = warm.result);
    const { plan } = warm.result;
    broken += checkPlan(input, plan).breaches.length + checkPlan(input, cold.result.plan).breaches.length;
    const [block] = plan.blocks;
    before = {
      replicas: Object.fromEntries((block?.workloads ?? []).map((one) => [one.workload, one.replicas])),
      nodes: block?.nodes ?? {},
    };
    if (cycle < WARMED || cold.first === undefined || warm.first === undefined) continue;
    times.cold.push(cold.ms);
    times.warm.push(warm.ms);
    times.coldLp.push(cold.first.ms);
    times.warmLp.push(warm.first.ms);
    gaps.push(plan.solver.gap);
    models.push(warm.first.model);
  }
  const median = (values: readonly number[]): number => percentile(values, 0.5);
  const peer = python === null ? null : native(python, models);
  const name = 'native HiGHS (highspy), the same programs';
  const peerOf = (value: number | undefined) => (value === undefined ? {} : { peer: name, peerValue: value });
  const results: BenchResult[] = [
    {
      ...{
        metric: 'one account, 50 workloads × 24 blocks, warm: whole decision',
        value: median(times.warm),
        unit: 'ms',
      },
      ...{
        goal: 50,
        better: 'lower',
        note: 'processor time, median of cycles; solve, rounding, prices, reasons, check',
      },
    },
    {
      ...{ metric: 'the same, cold', value: median(times.cold), unit: 'ms', goal: null, better: 'lower' },
      ...peerOf(peer?.mipMs),
      note: 'the peer: branch and bound to 1 %, 60 s at most',
    },
    {
      ...{ metric: 'warm re-solve of the linear program / cold', unit: 'ratio', goal: 0.2, better: 'lower' },
      value: round(median(times.warmLp) / median(times.coldLp)),
      note: `${median(times.warmLp)} ms / ${median(times.coldLp)} ms`,
    },
    {
      ...{ metric: 'linear program, cold', value: median(times.coldLp), unit: 'ms', goal: null, better: 'lower' },
      ...peerOf(peer?.lpMs),
    },
    {
      ...{ metric: 'gap that the plan states', value: round(median(gaps)), unit: 'ratio', goal: null, better: 'lower' },
      ...peerOf(peer?.mipGap),
      note: 'against the relaxation',
    },
    { metric: 'limits broken, by the independent checker', value: broken, unit: 'limits', goal: 0, better: 'lower' },
  ];
  const from = processor();
  const large = accountSetting(5000, 24, 0);
  const { plan } = (await createAllocator({ wholeBlocks: true })).allocate(large);
  results.push(
    {
      ...{ metric: 'one account of 5,000 workloads: seconds', value: round((processor() - from) / 1000), unit: 's' },
      ...{
        goal: null,
        better: 'lower',
        note: `gap ${round(plan.solver.gap)}, ${plan.check?.broken ?? 0} limits broken`,
      },
    },
    {
      ...{ metric: 'one account of 5,000 workloads: memory of the process', unit: 'MB', goal: null, better: 'lower' },
      value: Math.round(process.memoryUsage().rss / 1e6),
    },
  );
  return results;
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4;

const SCRIPT = `
import json, sys, time
import highspy, numpy as np
out = {"lp": [], "mip": None}
for index, path in enumerate(sys.argv[1:]):
    m = json.load(open(path))
    def solve(integer):
        h = highspy.Highs(); h.setOptionValue("output_flag", False); h.setOptionValue("threads", 1)
        lp = highspy.HighsLp()
        inf = highspy.kHighsInf
        up = lambda v: np.array([inf if x is None else x for x in v], dtype=float)
        lo = lambda v: np.array([-inf if x is None else x for x in v], dtype=float)
        lp.num_col_ = len(m["cost"]); lp.num_row_ = len(m["rowLower"])
        lp.col_cost_ = np.array(m["cost"], dtype=float)
        lp.col_lower_ = lo(m["lower"]); lp.col_upper_ = up(m["upper"])
        lp.row_lower_ = lo(m["rowLower"]); lp.row_upper_ = up(m["rowUpper"])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array(m["starts"]); lp.a_matrix_.index_ = np.array(m["indices"])
        lp.a_matrix_.value_ = np.array(m["values"], dtype=float)
        if integer:
            lp.integrality_ = [highspy.HighsVarType.kInteger if x else highspy.HighsVarType.kContinuous for x in m["integer"]]
            h.setOptionValue("mip_rel_gap", 0.01); h.setOptionValue("time_limit", 60.0)
        else:
            h.setOptionValue("solver", "simplex")
        h.passModel(lp)
        t = time.process_time(); h.run(); ms = (time.process_time() - t) * 1000
        return ms, h.getInfo()
    out["lp"].append(solve(False)[0])
    if index == 0:
        ms, info = solve(True)
        out["mip"] = {"ms": ms, "gap": info.mip_gap}
print(json.dumps(out))
`;

/** The same programs in native HiGHS, one thread: processor time of the solve alone, without reading them. */
function native(python: string, models: readonly LinearModel[]): { lpMs: number; mipMs: number; mipGap: number } {
  const folder = mkdtempSync(join(tmpdir(), 'headroom-bench-'));
  try {
    const files = models.slice(0, 8).map((model, index) => {
      const file = join(folder, `${index}.json`);
      // JSON writes an infinite bound as null, which the script reads as none.
      const { cost, lower, upper, integer, rowLower, rowUpper, starts, indices, values } = model;
      writeFileSync(file, JSON.stringify({ cost, lower, upper, integer, rowLower, rowUpper, starts, indices, values }));
      return file;
    });
    writeFileSync(join(folder, 'solve.py'), SCRIPT);
    const text = execFileSync(python, [join(folder, 'solve.py'), ...files], { encoding: 'utf8', timeout: 240_000 });
    const { lp, mip } = JSON.parse(text) as { lp: number[]; mip: { ms: number; gap: number } };
    return { lpMs: percentile(lp, 0.5), mipMs: round(mip.ms), mipGap: round(mip.gap) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
