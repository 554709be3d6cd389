import { ApplicationFailure } from '@temporalio/common';
import type {
  Activities,
  AnswerInput,
  AnswerResult,
  ApplyInput,
  ApplyResult,
  LookAtMigrationsInput,
  MigrationsSeen,
} from '../../activities/types.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import type { ClusterState, FieldTarget } from '../../src/domain/cluster.js';
import type { ContingencyDigest, Symptom } from '../../src/domain/contingency.js';
import type { ProposedMove } from '../../src/domain/migration-proposal.js';
import type { ChangeOutcome, PlannedField, PlanSummary, Verdict } from '../../src/domain/plan.js';

export function policyOf(lines = ''): AccountPolicy {
  return readAccountFile(
    `version: headroom/v1
account: acme
mode: auto
ownership: own
cycle: 1h
step: 1h
settle: 0s
coolDown: 2h
staleAfter: 3h
workloads:
  - name: web
    components: { cpu: { request: 1 } }
    replicas: { min: 1, max: 50 }
    leadTime: 2m
pools: [{ name: general, pricePerHour: 1, node: { cpu: 8 } }]
verification: { for: 10m, every: 5m, failAfter: 2, checks: [{ metric: error_rate, max: 0.1 }] }
${lines}`,
    'test.yaml',
  );
}

export const field = (from: number, to: number): PlannedField => ({
  target: { field: 'replicas', workload: 'web', value: to },
  seen: { value: from, owner: 'headroom' },
  reason: 'demand',
});

export const act = (fields: PlannedField[], source: 'forecast' | 'guard' = 'forecast'): PlanScript => ({
  verdict: { kind: 'act', source, detail: 'to raise' },
  fields,
});
export const steady: PlanScript = { verdict: { kind: 'hold', reason: 'steady', detail: 'nothing to do' }, fields: [] };

export interface PlanScript {
  verdict: Verdict;
  fields: PlannedField[];
  moves?: ProposedMove[];
}

export interface Fakes extends Activities {
  calls: { name: keyof Activities; input: unknown; at: number }[];
  /** What the cluster has: written by apply and rollback. */
  values: Map<string, number>;
  outcomes: ChangeOutcome[];
  /** What each plan says, given the number of plans before it. */
  plans: (count: number) => PlanScript;
  /** Throws once for each entry, in order, before doing anything. */
  /** Triggers that a look at the cluster finds; only where there are answers. */
  symptoms: Symptom[];
  /** Answers that are there after the first plan; null: none are prepared. */
  digest: ContingencyDigest | null;
  /** What a prepared answer comes to, given what fired it. */
  answers: (input: AnswerInput) => AnswerResult;
  failNext: Partial<Record<keyof Activities, string[]>>;
  errorRate: number | null;
  freshness: 'fresh' | 'stale' | 'missing';
  frozen: boolean;
  /** Called after a write, before its answer: a test can lose it. */
  afterApply: (input: ApplyInput) => void;
  applyAnswers: ApplyResult[];
  /** What the store has of migrations. */
  migrations: (input: LookAtMigrationsInput) => MigrationsSeen;
}

const key = (target: FieldTarget): string =>
  'workload' in target ? `${target.workload}.${target.field}` : 'pool' in target ? target.pool : target.task;

/** Recording activities over a tiny cluster in memory: they stand behind the workflows' port in these tests alone. */
export function createFakes(): Fakes {
  let plans = 0;
  const record = (name: keyof Activities, input: unknown): void => {
    fakes.calls.push({ name, input, at: Date.now() });
    const message = fakes.failNext[name]?.shift();
    if (message !== undefined) {
      throw ApplicationFailure.create({ type: 'unavailable', message, nonRetryable: message.startsWith('final') });
    }
  };
  const state = (): ClusterState => ({ at: 0, workloads: [], pools: [] });
  const fakes: Fakes = {
    calls: [],
    values: new Map([['web.replicas', 2]]),
    outcomes: [],
    plans: () => steady,
    symptoms: [],
    digest: null,
    answers: ({ key }) => {
      throw ApplicationFailure.create({ type: 'not-found', message: `no answer to ${key}`, nonRetryable: true });
    },
    failNext: {},
    errorRate: 0.01,
    freshness: 'fresh',
    frozen: false,
    afterApply: () => undefined,
    applyAnswers: [],
    migrations: () => ({ running: [], last: 0, endedAt: null, outcome: null }),
    async observe(input) {
      record('observe', input);
      return {
        snapshotId: `s-${fakes.calls.length}`,
        freshness: [
          { workload: 'web', component: 'cpu', kind: fakes.freshness, age: fakes.freshness === 'missing' ? null : 60 },
        ],
        state: state(),
        freeze: fakes.frozen
          ? { kind: 'freeze', author: 'ops', reason: 'incident', since: 0, until: Number.MAX_SAFE_INTEGER }
          : null,
        ...(input.policy === undefined ? {} : { lastChange: 0 }),
        ...(input.overdueChange === undefined ? {} : { changeRuns: false }),
        ...(input.contingencies === undefined ? {} : { symptoms: fakes.symptoms }),
      };
    },
    async forecast(input) {
      record('forecast', input);
      return {
        forecastId: `f-${fakes.calls.length}`,
        series: [{ workload: 'web', component: 'cpu', level: 0.99, median: 1, atLevel: 2, open: true, cold: false }],
        missing: [],
      };
    },
    async optimize(input) {
      record('optimize', input);
      const script = fakes.plans(plans++);
      const plan: PlanSummary = {
        id: `p-${plans}`,
        at: input.at,
        verdict: script.verdict,
        fields: script.fields,
        costPerHour: 2,
        currency: 'EUR',
        conflict: null,
        reasons: [],
        ...(script.moves === undefined ? {} : { moves: script.moves }),
      };
      const { digest } = fakes;
      const prepares = digest !== null && input.contingencies === null;
      return { plan, ...(prepares ? { contingencies: digest } : {}) };
    },
    async learn(input) {
      record('learn', input);
      return {
        scoredTo: input.at,
        bins: 1,
        violations: 0,
        capacity: 1.5,
        demand: 1,
        reactive: { capacity: 1.4, violations: 0 },
        coverage: [{ workload: 'web', component: 'cpu', level: 0.99, coverage: 0.991, scored: 288 }],
      };
    },
    async answer(input) {
      record('answer', input);
      return fakes.answers(input);
    },
    async recordContingency(input) {
      record('recordContingency', input);
    },
    async revalidate(input) {
      record('revalidate', input);
      if (fakes.frozen) return { kind: 'frozen', detail: 'frozen by ops' };
      const moved = input.mutations.find(
        ({ target, expect }) => ![expect.value, target.value].includes(fakes.values.get(key(target)) ?? Number.NaN),
      );
      return moved === undefined ? { kind: 'fresh' } : { kind: 'stale', detail: 'set by kubectl' };
    },
    async apply(input) {
      record('apply', input);
      const answer = fakes.applyAnswers.shift();
      if (answer !== undefined) return answer;
      if (input.fenced && fakes.frozen) return { kind: 'frozen', detail: 'frozen by ops' };
      const { target } = input.mutation;
      fakes.values.set(key(target), target.value);
      fakes.afterApply(input);
      return { kind: 'applied', value: target.value };
    },
    async awaitReady(input) {
      record('awaitReady', input);
      return { ready: true, waited: 90, detail: 'ready' };
    },
    async verify(input) {
      record('verify', input);
      const value = fakes.errorRate;
      return {
        checks: [{ workload: 'web', metric: 'error_rate', value, limit: 0.1, passed: value !== null && value <= 0.1 }],
      };
    },
    async rollback(input) {
      record('rollback', input);
      fakes.values.set(key(input.step.target), input.step.target.value);
      return { kind: 'applied', value: input.step.target.value };
    },
    async release(input) {
      record('release', input);
      return { problems: [] };
    },
    async confirm(input) {
      record('confirm', input);
      const wrong = input.steps.filter(({ target }) => fakes.values.get(key(target)) !== target.value);
      return { restored: wrong.length === 0, detail: wrong.map(({ target }) => key(target)).join() };
    },
    async recordOutcome(input) {
      record('recordOutcome', input);
      fakes.outcomes.push(input.outcome);
    },
    async exportHistory(input) {
      record('exportHistory', input);
    },
    async lookAtMigrations(input) {
      record('lookAtMigrations', input);
      return fakes.migrations(input);
    },
  };
  return fakes;
}

/** Answers to these, valid for good. */
export const digestOf = (...armed: { key: string; for?: number }[]): ContingencyDigest => ({
  id: 'answers-p-1',
  preparedAt: 0,
  validUntil: Number.MAX_SAFE_INTEGER,
  armed: armed.map(({ key, for: lasting = 0 }) => ({ key, for: lasting })),
});

/** The answer to what fired it: these fields. */
export const answerOf = ({ key, setId, what, at }: AnswerInput, fields: PlannedField[]): AnswerResult => ({
  plan: {
    id: `${setId}/${key}@${Math.round(at)}`,
    at,
    verdict:
      fields.length === 0
        ? { kind: 'hold', reason: 'steady', detail: 'what is there is what the answer wants' }
        : { kind: 'act', source: 'contingency', detail: `${what}: the prepared answer` },
    fields,
    costPerHour: 3,
    currency: 'EUR',
    conflict: null,
    reasons: [],
    firedBy: { key, setId, what },
  },
  pools: [],
  workloads: ['web'],
});

/** The activities of whichever fakes are the present ones: a worker serves many tests. */
export const forwarded = (present: () => Activities): Activities => ({
  observe: (input) => present().observe(input),
  forecast: (input) => present().forecast(input),
  optimize: (input) => present().optimize(input),
  learn: (input) => present().learn(input),
  answer: (input) => present().answer(input),
  recordContingency: (input) => present().recordContingency(input),
  revalidate: (input) => present().revalidate(input),
  apply: (input) => present().apply(input),
  awaitReady: (input) => present().awaitReady(input),
  verify: (input) => present().verify(input),
  rollback: (input) => present().rollback(input),
  confirm: (input) => present().confirm(input),
  release: (input) => present().release(input),
  recordOutcome: (input) => present().recordOutcome(input),
  exportHistory: (input) => present().exportHistory(input),
  lookAtMigrations: (input) => present().lookAtMigrations(input),
});

export const countOf = (fakes: Fakes, name: keyof Activities): number =>
  fakes.calls.filter((call) => call.name === name).length;
