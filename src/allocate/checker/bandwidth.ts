import type { BandwidthPolicy, ReservedBlock } from '../../domain/bandwidth.js';
import { probit } from '../../domain/normal.js';
import { report, type Check, type TrafficBin } from './facts.js';

/** 2^20 bytes/s, and what moves at that in an hour, in 2^30 bytes. */
const MIB = 1_048_576;
const GIB_AN_HOUR = 3.515625;

/** What is to be reserved keeps to its contract: whole units, up to the most, in time, and within the budget. */
export function checkBandwidth(check: Check): void {
  const { facts, plan } = check;
  if (plan.bandwidth === undefined) return;
  check.checked.add('bandwidth');
  const { budget } = facts.policy;
  for (const { link: name, blocks, workloads } of plan.bandwidth) {
    const link = facts.policy.bandwidth?.find((one) => one.name === name);
    const say = (words: string): void => report(check, 'bandwidth', null, `link ${name}: ${words}`);
    if (link === undefined) {
      say('is planned, and the account file has none of that name');
      continue;
    }
    for (const workload of workloads) {
      if (check.policies.get(workload)?.components.network === undefined)
        say(`carries ${workload}, which has no network`);
    }
    let before: number | null = null;
    for (const { from, to, by, reserve, beyond, busy, costPerHour, overBudget } of blocks) {
      if (from % link.block !== 0 || to - from !== link.block || (before !== null && from !== before))
        say(`the block from ${from} to ${to} is none of its blocks of ${link.block}s, one after another`);
      before = to;
      if (by !== from - link.ahead || by < facts.at) say(`the block from ${from} can be reserved until ${by} no more`);
      const units = reserve / link.unit;
      if (!(reserve >= 0) || Math.abs(units - Math.round(units)) > 1e-6 * Math.max(1, units))
        say(`${reserve} bytes/s are no whole number of ${link.unit}`);
      if (reserve > link.max * (1 + 1e-9)) say(`${reserve} bytes/s are reserved, at most ${link.max}`);
      if (!(busy >= 0 && busy <= 1 + 1e-9 && beyond >= 0)) say(`its figures of ${from} are none`);
      const fee = (reserve / MIB) * link.pricePerHour;
      const use = link.beyondPerGiB === undefined ? 0 : (beyond / MIB) * GIB_AN_HOUR * link.beyondPerGiB;
      if (Math.abs(fee + use - costPerHour) > 1e-6 * Math.max(1e-6, costPerHour))
        say(`${costPerHour} an hour is stated for ${from}, and it is ${fee + use}`);
      if (budget !== undefined && overBudget !== true && costPerHour > budget.perHour * (1 + 1e-9) + 1e-9)
        say(`${costPerHour} an hour is above the budget of ${budget.perHour}, which the plan does not say`);
    }
    const first = blocks[0];
    if (first !== undefined) checkTraffic(check, link, workloads, first, say);
  }
}

/** Steps of probability that a bin's cost is summed over. */
const STEPS = 400;

/** By the forecast itself, of the block that has to be reserved next: no unit more or less is cheaper. */
function checkTraffic(
  check: Check,
  link: BandwidthPolicy,
  workloads: readonly string[],
  { from, to, reserve, bound }: ReservedBlock,
  say: (words: string) => void,
): void {
  const { traffic, policy } = check.facts;
  if (traffic === undefined) {
    check.unchecked.set('bandwidth against its forecast', 'the forecast that it was decided by');
    return;
  }
  // A block is judged by the finest of the resolutions that reach its end.
  const bins = traffic
    .filter(({ workload }) => workloads.includes(workload))
    .map(({ workload, resolutions }) => ({
      workload,
      bins: resolutions.find((own) => (own.at(-1)?.to ?? 0) >= to) ?? [],
    }));
  const metered = link.beyondPerGiB !== undefined;
  const weights = { low: 5, normal: 20, high: 80, critical: 400 };
  const weight = Math.max(...workloads.map((one) => weights[check.policies.get(one)?.criticality ?? 'normal']));
  const beyondPrice =
    link.beyondPerGiB === undefined
      ? link.pricePerHour * weight * (policy.weights?.shortfall ?? 1)
      : link.beyondPerGiB * GIB_AN_HOUR;
  const wanted: number[] = [];
  let atLevel = 0;
  for (let time = from; time < to; time += policy.step) {
    const now = bins.flatMap(({ workload, bins: own }) => {
      const bin = own.find((one) => one.from <= time && time < one.to);
      return bin === undefined ? [] : [{ workload, bin }];
    });
    if (now.length < workloads.length) return;
    for (let step = 0; step < STEPS; step++) {
      wanted.push(now.reduce((sum, { bin }) => sum + valueAt(bin, (step + 0.5) / STEPS), 0));
    }
    const most = now.reduce((sum, { workload, bin }) => {
      const own = check.policies.get(workload);
      return sum + valueAt(bin, own?.components.network?.level ?? own?.level ?? policy.level);
    }, 0);
    atLevel = Math.max(atLevel, most);
  }
  const cost = (amount: number): number =>
    (amount * link.pricePerHour + beyondPrice * mean(wanted.map((one) => Math.max(0, one - amount)))) / MIB;
  // A twentieth of what a unit costs, and what sums over so many steps may be wrong by.
  const near = (link.unit / MIB) * (0.05 * link.pricePerHour + (4 / STEPS) * beyondPrice);
  const limit = cost(reserve) - near;
  const short = !metered && reserve < atLevel * (1 - 1e-6);
  if (short && bound !== 'maximum' && bound !== 'budget')
    say(`${reserve} bytes/s are reserved for ${from}, ${atLevel} are wanted at the level, and nothing gets beyond`);
  const room = reserve + link.unit <= link.max && bound !== 'budget';
  if (room && cost(reserve + link.unit) < limit) say(`one unit more for ${from} would cost less`);
  const spare = reserve >= link.unit && (metered || reserve - link.unit >= atLevel * (1 + 1e-6));
  if (spare && cost(reserve - link.unit) < limit) say(`one unit less for ${from} would cost less`);
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

/** Between the stated levels by the normal score, as forecasts are read. */
function valueAt({ levels, values }: TrafficBin, level: number): number {
  const above = levels.findIndex((one) => one >= level);
  const right = above === -1 ? levels.length - 1 : above;
  const [low, high] = [values[right - 1] ?? values[0] ?? 0, values[right] ?? 0];
  if (right === 0) return values[0] ?? 0;
  const score = (one: number): number => probit(one);
  const [left, end] = [score(levels[right - 1] ?? 0.5), score(levels[right] ?? 0.5)];
  return low + ((high - low) * (score(level) - left)) / (end - left);
}
