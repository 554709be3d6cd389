import type { AccountPolicy } from '../domain/account.js';
import type { EpochSeconds } from '../domain/time.js';
import type { AllocationInput, Block, DemandBlocks } from './problem.js';

const HOUR = 3600;
const FINE = 2 * HOUR;
const DAY = 24 * HOUR;

/**
 * The blocks that a decision at `at` plans: steps (of five minutes or more) for two hours, then hours, as far as the
 * longest horizon and a day at most: what replicas to have in a week is not decided today. Their number depends on the policy alone, so that a basis fits the
 * next cycle's model.
 * @param leadSteps steps from the last known bin to the first that can still be reached: ⌈lead / step⌉ + 1. The last
 * known bin is the one that ends at `at`.
 */
export function planBlocks(policy: AccountPolicy, at: EpochSeconds, leadSteps: number): Block[] {
  const { step } = policy;
  const start = (Math.ceil(at / step) + Math.max(1, Math.ceil(leadSteps)) - 1) * step;
  const end = start + Math.min(DAY, Math.max(...policy.horizons, step));
  const blocks: Block[] = [];
  let from = start;
  while (from < end) {
    const ahead = from - start;
    const length = Math.max(step, ahead < FINE ? 300 : HOUR);
    const to = Math.min(from + length, end);
    blocks.push({ from, to });
    from = to;
  }
  return blocks;
}

/**
 * Joins later blocks until there are at most `most`, at the demand of the highest: what is far off matters less than
 * an answer in time. Block 0 stays as it is.
 */
export function joinBlocks(input: AllocationInput, most: number): AllocationInput {
  const count = input.blocks.length;
  if (count <= most) return input;
  const rest = Math.max(1, most - 1);
  const groups: number[][] = [[0]];
  for (let group = 0; group < rest; group++) {
    // Quadratic spacing: the nearer, the finer.
    const edge = (index: number): number => 1 + Math.round((count - 1) * (index / rest) ** 2);
    const first = Math.max(edge(group), (groups.at(-1)?.at(-1) ?? 0) + 1);
    const last = group === rest - 1 ? count - 1 : Math.max(first, edge(group + 1) - 1);
    if (first > count - 1) break;
    groups.push(Array.from({ length: Math.min(last, count - 1) - first + 1 }, (_, offset) => first + offset));
  }
  const blocks = groups.map((members) => ({
    from: input.blocks[members[0] ?? 0]?.from ?? 0,
    to: input.blocks[members.at(-1) ?? 0]?.to ?? 0,
    ...(members.length === 1 ? {} : { joined: members.length }),
  }));
  const highest = (series: DemandBlocks, members: readonly number[], field: 'lower' | 'median' | 'atLevel' | 'far') =>
    members.reduce((top, member) => Math.max(top, series.blocks[member]?.[field] ?? 0), 0);
  const demand = input.demand.map((series) => ({
    ...series,
    blocks: groups.map((members) => ({
      lower: highest(series, members, 'lower'),
      median: highest(series, members, 'median'),
      atLevel: highest(series, members, 'atLevel'),
      far: highest(series, members, 'far'),
    })),
  }));
  return { ...input, blocks, demand };
}
