import type { AccountForecast } from '../../domain/forecast.js';
import { levelOf } from '../../domain/policy-rules.js';
import { profileOf } from '../../replay/profiles.js';
import { scoreRun, type RunScore } from '../../operate/score-run.js';
import type { Timeline } from '../../cluster/simulated/samples.js';
import type { Dev } from '../../temporal/dev.js';
import { createTable } from '../table.js';
import { look, type EventName, type EventResult } from './story.js';
import { DAY_START, STEP, type DemoAccount } from './world.js';

interface Figures {
  cost: number;
  violations: number;
}

export interface AccountReport extends Figures {
  name: string;
  hpa50: Figures;
  hpa70: Figures;
  clairvoyant: Figures;
  coverageAsked: number;
  coverageReached: number | null;
  changes: { kept: number; rolledBack: number; held: number };
}

export interface DemoReport {
  ok: boolean;
  wallSeconds: number;
  accounts: AccountReport[];
  events: Record<EventName, EventResult>;
  temporalUi: string | null;
}

/** The autoscalers get the time that pods take to start, as the live run does; one bin of five minutes holds it. */
const PEER_LEAD = 120;
/** The first half hour is not scored for anyone: all begin with what happens to run at midnight. */
const FIRST_SCORED = 6;

/** Cost, violations and coverage of an account over the day, by CPU, its workloads weighted by their demand. */
export async function reportAccount(dev: Dev, account: DemoAccount, timeline: Timeline): Promise<AccountReport> {
  const workloads = account.policy.workloads.flatMap((workload) => {
    const found = timeline.workloads.find((one) => one.account === account.name && one.workload === workload.name);
    const cpu = found?.components.find((one) => one.component === 'cpu');
    if (cpu === undefined) return [];
    const score = scoreRun({
      step: timeline.step,
      lead: PEER_LEAD,
      demand: cpu.demand,
      capacity: cpu.capacity,
      replicaSize: workload.components.cpu?.request ?? 1,
      firstScored: FIRST_SCORED,
    });
    const demand = cpu.demand.reduce((sum: number, value) => sum + (value ?? 0), 0);
    return [{ score, demand }];
  });
  const total = workloads.reduce((sum, one) => sum + one.demand, 0);
  const mean = (
    pick: (score: (typeof workloads)[number]['score']) => Pick<RunScore, 'cost' | 'violations'>,
  ): Figures => ({
    // A workload without any demand has no cost in multiples of it, and no weight either.
    cost: round(workloads.reduce((sum, one) => sum + (pick(one.score).cost ?? 0) * one.demand, 0) / total, 3),
    violations: round(workloads.reduce((sum, one) => sum + pick(one.score).violations, 0) / workloads.length, 4),
  });
  const status = await look(dev, account.name);
  const held = Object.values(status.holds).reduce((sum, count) => sum + (count ?? 0), 0);
  return {
    name: account.name,
    ...mean((score) => score.live),
    hpa50: mean((score) => score.hpa50),
    hpa70: mean((score) => score.hpa70),
    clairvoyant: mean((score) => score.clairvoyant),
    coverageAsked: account.policy.level,
    coverageReached: await coverage(dev, account, timeline),
    changes: { kept: status.results.kept, rolledBack: status.results['rolled-back'], held },
  };
}

/**
 * The share of the day's bins whose demand stayed under the quantile that the live forecasts had stated for them, at the
 * level that the account asked for and the first bin that a decision could reach.
 */
async function coverage(dev: Dev, account: DemoAccount, timeline: Timeline): Promise<number | null> {
  const records = await dev.store.listRecords('forecast', account.name, { limit: 2000 });
  let scored = 0;
  let covered = 0;
  for (const { body } of records) {
    const forecast = body as AccountForecast;
    for (const { workload, component, resolutions } of forecast.series) {
      const policy = account.policy.workloads.find((one) => one.name === workload);
      const fine = resolutions[0];
      const truth = timeline.workloads
        .find((one) => one.account === account.name && one.workload === workload)
        ?.components.find((one) => one.component === component)?.demand;
      if (component !== 'cpu' || policy === undefined || fine === undefined || truth === undefined) continue;
      const level = levelOf(account.policy, policy, component);
      const row = Math.ceil(policy.leadTime / STEP);
      const bin = Math.round((fine.origin + (row + 1) * fine.step - timeline.from) / timeline.step);
      const stated = fine.quantiles[row]?.[fine.levels.findIndex((one) => one >= level - 1e-9)];
      const demand = truth[bin];
      if (stated === undefined || demand === undefined || demand === null) continue;
      scored += 1;
      // What was announced is a known input: the plan multiplies the forecast by it, so it is judged without it.
      if (demand <= stated * announcedAt(account.name, workload, timeline.from + bin * timeline.step)) covered += 1;
    }
  }
  return scored === 0 ? null : round(covered / scored, 4);
}

/** The multiple that was announced for a bin; 1 where nothing was. */
const announcedAt = (account: DemoAccount['name'], workload: string, label: number): number =>
  profileOf(account, DAY_START).campaigns.find(
    (one) => one.workloads.includes(workload) && one.from <= label && label < one.to,
  )?.multiplier ?? 1;

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

export function tableOf(accounts: readonly AccountReport[]): string {
  const table = createTable([
    'account',
    'Headroom',
    'HPA 50 %',
    'HPA 70 %',
    'clairvoyant',
    'coverage (asked)',
    'kept / rolled back / held',
  ]);
  const cell = ({ cost, violations }: Figures): string => `${cost.toFixed(2)} ×  ${(100 * violations).toFixed(2)} %`;
  for (const one of accounts) {
    const reached = one.coverageReached === null ? '–' : `${(100 * one.coverageReached).toFixed(2)} %`;
    table.push([
      one.name,
      cell(one),
      cell(one.hpa50),
      cell(one.hpa70),
      cell(one.clairvoyant),
      `${reached} (${100 * one.coverageAsked} %)`,
      `${one.changes.kept} / ${one.changes.rolledBack} / ${one.changes.held}`,
    ]);
  }
  return `${table.toString()}\ncost is mean capacity over mean demand; violations are the share of 5-minute bins with demand above capacity`;
}
