import { createAllocator, createHighsSolver, demandBlocks, planBlocks, type Solver } from '../src/allocate/index.js';
import { loadHighs } from '../src/allocate/solver.js';
import type { SolverBasis } from '../src/allocate/problem.js';
import type { LinearModel } from '../src/allocate/model.js';
import { createEngine } from '../src/decide/engine.js';
import type { KnownBins } from '../src/decide/port.js';
import { accountFileSchema, type AccountPolicy } from '../src/domain/account.js';
import type { ClusterState } from '../src/domain/cluster.js';
import type { AccountForecast } from '../src/domain/forecast.js';
import type { Plan } from '../src/domain/plan.js';
import { generateDemand, type DemandProfile } from '../src/replay/synthetic.js';
import { percentile, writeResults } from './result.js';

/*
 * How long one decision takes: forecast and optimize, 5 workloads × 2 components × 3 horizons on 28 days of 5-minute
 * history, after the fit, one cycle a bin, in one thread. Beside it, in the same run, the same linear programs solved
 * without a basis, and handed over as LP text.
 */

const STEP = 300;
const DAY = 86_400;
const HISTORY = 28 * DAY;
const CYCLES = 150;
const COMPARED = 30;
/** 2026-03-02T00:00:00Z */
const START = 1_772_409_600;
const GiB = 2 ** 30;

const profile: DemandProfile = {
  name: 'bench',
  timeZone: 'Europe/Berlin',
  anchor: START,
  workloads: Array.from({ length: 5 }, (_, index) => ({
    workload: `w${index}`,
    weekday: Array.from(
      { length: 24 },
      (_, hour) => 6 + index + (4 - index / 2) * Math.sin(((hour - 8 - index) / 12) * Math.PI),
    ),
    weekend: 0.6 + index / 10,
    growthPerWeek: 0.02,
    noise: { fast: 0.08, slow: 0.05 },
    bursts: { perDay: 1 + index, height: 0.3 },
    batches: index === 0 ? [{ at: 7200, duration: 3600, cores: 4 }] : [],
    memory: { base: 4 * GiB, perCore: 1.2 * GiB },
  })),
  releases: [],
  campaigns: [],
  outages: [],
};

const policy: AccountPolicy = accountFileSchema.parse({
  version: 'headroom/v1',
  account: 'bench',
  ownership: 'own',
  timeZone: 'Europe/Berlin',
  horizons: ['2h', '1d', '1w'],
  budget: { perHour: 20 },
  spotMaxShare: 0.5,
  workloads: profile.workloads.map(({ workload }) => ({
    name: workload,
    components: { cpu: { request: 1 }, memory: { request: '2Gi' } },
    replicas: { min: 2, max: 60 },
    leadTime: '10m',
  })),
  pools: [
    { name: 'general', pricePerHour: 0.4, node: { cpu: 8, memory: '32Gi' } },
    {
      name: 'spot',
      capacityType: 'spot',
      pricePerHour: 0.15,
      node: { cpu: 8, memory: '32Gi' },
      interruptionsPerHour: 0.01,
    },
  ],
});

const state: ClusterState = {
  at: START,
  workloads: policy.workloads.map(({ name }) => ({
    workload: name,
    exists: true,
    replicas: 10,
    readyReplicas: 10,
    request: { cpu: 1, memory: 2 * GiB },
    autoscaler: null,
    owners: { replicas: null, request: null, floor: null },
  })),
  pools: policy.pools.map(({ name }) => ({ pool: name, nodes: 5, readyNodes: 5, owner: null })),
};

/** The plan's writes take effect at once: the next decision starts from them, as in a running loop. */
function write(plan: Plan): void {
  if (plan.verdict.kind !== 'act') return;
  for (const { target } of plan.fields) {
    if (target.field === 'nodes') {
      const pool = state.pools.find((one) => one.pool === target.pool);
      if (pool !== undefined) pool.nodes = pool.readyNodes = target.value;
    } else if (target.field === 'replicas') {
      const workload = state.workloads.find((one) => one.workload === target.workload);
      if (workload !== undefined) workload.replicas = workload.readyReplicas = target.value;
    }
  }
}

const generated = generateDemand({ profile, seed: 1, from: START - HISTORY, to: START + CYCLES * STEP, step: STEP });
const binsOf = (from: number, to: number): KnownBins[] =>
  generated.map(({ workload, component, samples }) => {
    const within = samples.filter(({ at }) => from <= at && at < to);
    const values = Float64Array.from(within, ({ value }) => value);
    return {
      workload,
      component,
      series: { start: from, step: STEP, values, censored: new Uint8Array(values.length) },
    };
  });

const engine = await createEngine();
const base = { account: 'bench', policyId: 'p1', policy, snapshotId: 's', leadTimes: {}, events: [] };
const fitStarted = performance.now();
await engine.forecast({ ...base, at: START, bins: binsOf(START - HISTORY, START) });
const fitSeconds = (performance.now() - fitStarted) / 1000;

const times: { forecast: number; optimize: number; both: number }[] = [];
const compared: { at: number; forecast: AccountForecast; state: ClusterState }[] = [];
let gaps = 0;
for (let cycle = 1; cycle <= CYCLES; cycle++) {
  const at = START + cycle * STEP;
  const bins = binsOf(at - STEP, at);
  const recent = binsOf(at - 3600, at);
  const begun = performance.now();
  const forecast = await engine.forecast({ ...base, snapshotId: `s${cycle}`, at, bins });
  const between = performance.now();
  const plan = await engine.allocate({
    ...base,
    snapshotId: `s${cycle}`,
    at,
    forecast,
    state,
    overrides: [],
    raiseOnly: [],
    recent,
  });
  const ended = performance.now();
  times.push({ forecast: between - begun, optimize: ended - between, both: ended - begun });
  if (cycle > CYCLES - COMPARED) compared.push({ at, forecast, state: structuredClone(state) });
  gaps += plan.solver.gap / CYCLES;
  write(plan);
}

/** The same programs again: as they are solved here, from scratch, and as LP text. */
const solver = await createHighsSolver();
const text = await loadHighs();
const peers = { warm: [] as number[], cold: [] as number[], text: [] as number[], rows: 0, columns: 0 };
const recording: Solver = {
  version: solver.version,
  solve(model, options) {
    const begun = performance.now();
    const solution = solver.solve(model, options);
    if (options.basis !== undefined && solution.warm) {
      peers.warm.push(performance.now() - begun);
      const again = performance.now();
      solver.solve(model, { iterationLimit: options.iterationLimit });
      peers.cold.push(performance.now() - again);
      const lines = lpText(model);
      const parsed = performance.now();
      text.solve(lines, { output_flag: false });
      peers.text.push(performance.now() - parsed);
      [peers.rows, peers.columns] = [model.rowLower.length, model.cost.length];
    }
    return solution;
  },
};

function lpText(model: LinearModel): string {
  const term = (value: number, column: number): string => `${value < 0 ? '-' : '+'} ${Math.abs(value)} x${column}`;
  const rows: string[] = [];
  for (let row = 0; row < model.rowLower.length; row++) {
    const terms: string[] = [];
    for (let at = model.starts[row] ?? 0; at < (model.starts[row + 1] ?? 0); at++) {
      terms.push(term(model.values[at] ?? 0, model.indices[at] ?? 0));
    }
    const [lower, upper] = [model.rowLower[row] ?? 0, model.rowUpper[row] ?? 0];
    if (terms.length === 0) continue;
    if (lower === upper) rows.push(`${terms.join(' ')} = ${lower}`);
    else {
      if (Number.isFinite(lower)) rows.push(`${terms.join(' ')} >= ${lower}`);
      if (Number.isFinite(upper)) rows.push(`${terms.join(' ')} <= ${upper}`);
    }
  }
  const objective = model.cost.flatMap((cost, column) => (cost === 0 ? [] : [term(cost, column)])).join(' ');
  return `Minimize\n ${objective}\nSubject To\n ${rows.join('\n ')}\nEnd\n`;
}

const allocator = await createAllocator({ solver: recording });
let basis: SolverBasis | undefined;
for (const one of compared) {
  const blocks = planBlocks(policy, one.at, 3);
  const demand = demandBlocks({ forecast: one.forecast, policy, blocks });
  const input = {
    account: 'bench',
    at: one.at,
    snapshotId: 's',
    forecastId: 'f',
    policy,
    blocks,
    demand,
    state: one.state,
    overrides: [],
  };
  basis = allocator.allocate({ ...input, ...(basis === undefined ? {} : { basis }) }).basis;
}

const p95 = (pick: (time: (typeof times)[number]) => number): number => percentile(times.map(pick), 0.95);
const size = `${peers.rows} rows, ${peers.columns} columns, median`;
const warm = percentile(peers.warm, 0.5);
const cold = percentile(peers.cold, 0.5);
const asText = percentile(peers.text, 0.5);
writeResults('decision', [
  {
    metric: 'decision p95',
    value: p95((time) => time.both),
    unit: 'ms',
    goal: 250,
    better: 'lower',
    note:
      `forecast + optimize, ${CYCLES} cycles in one thread, 5 workloads × 2 components × 3 horizons, 28 days of ` +
      `5-minute history, after the fit; median ${percentile(
        times.map((time) => time.both),
        0.5,
      )} ms`,
  },
  { metric: 'forecast p95', value: p95((time) => time.forecast), unit: 'ms', goal: 125, better: 'lower' },
  { metric: 'optimize p95', value: p95((time) => time.optimize), unit: 'ms', goal: 125, better: 'lower' },
  {
    metric: 'solve, against LP text',
    value: warm,
    unit: 'ms',
    goal: asText,
    better: 'lower',
    peer: 'the same program as LP text to highs.solve',
    peerValue: asText,
    note: `${size}; sparse arrays and the last cycle's basis; writing the text is not counted`,
  },
  {
    metric: 'solve, against a cold start',
    value: warm,
    unit: 'ms',
    goal: cold,
    better: 'lower',
    peer: 'the same program as sparse arrays without a basis',
    peerValue: cold,
    note: size,
  },
  {
    metric: 'fit',
    value: Math.round(fitSeconds * 100) / 100,
    unit: 's',
    goal: 60,
    better: 'lower',
    note: 'all ten series, once; not part of a decision',
  },
  {
    metric: 'gap, mean',
    value: Math.round(gaps * 1e4) / 1e4,
    unit: 'ratio',
    goal: 0.05,
    better: 'lower',
    note: 'proven: whole numbers against the relaxation',
  },
]);
