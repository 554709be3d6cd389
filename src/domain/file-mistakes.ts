import type { AccountPolicy } from './account.js';
import { COMPONENTS, formatQuantity } from './component.js';
import { occurrences } from './occurrences.js';
import type { PolicyProblem } from './policy-rules.js';
import { formatDuration } from './time.js';

/** 2026-01-01T00:00:00Z: schedules are looked at over the same years whenever a file is read. */
const FROM = 1_767_225_600;
const DAY = 86_400;
/** Every day of the calendar comes by in so many years. */
const YEARS = 9 * 366 * DAY;

/**
 * What surely was not meant, though each field by itself is allowed. Looked at where a file is read, and not where an account takes
 * a policy: schedules need more than an account's workflow may load.
 */
export function fileMistakes(policy: AccountPolicy): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const say = (path: (string | number)[], problem: string) => problems.push({ path, problem });
  policy.blackouts.forEach(({ cron, duration }, index) => {
    if (cron === undefined || duration === undefined) return;
    const near = occurrences(cron, policy.timeZone, FROM, FROM + 400 * DAY);
    if (near.length === 0 && occurrences(cron, policy.timeZone, FROM, FROM + YEARS).length === 0) {
      say(['blackouts', index, 'cron'], `"${cron}" never comes: no year has such a day`);
    }
    const gap = near.slice(1).reduce((most, at, before) => Math.max(most, at - (near[before] ?? at)), 0);
    if (near.length > 1 && duration >= gap) {
      const words = `${formatDuration(duration)} lasts until the next one begins (${formatDuration(gap)} at most): nothing would ever be changed`;
      say(['blackouts', index, 'duration'], words);
    }
  });
  policy.workloads.forEach(({ window }, index) => {
    if (window !== undefined && window < policy.step) {
      const words = `${formatDuration(window)} is less than one step of ${formatDuration(policy.step)}`;
      say(['workloads', index, 'window'], words);
    }
  });
  policy.tasks.forEach(({ workload, demand }, index) => {
    const named = policy.workloads.find((one) => one.name === workload)?.pools;
    const pools = policy.pools.filter((pool) => named?.includes(pool.name) ?? true);
    for (const component of COMPONENTS) {
      const asked = demand[component] ?? 0;
      // A component that no pool states bounds nothing.
      if (!pools.some(({ node }) => node[component] !== undefined)) continue;
      const most = pools.reduce((sum, { max, node }) => sum + max * (node[component] ?? 0), 0);
      if (asked <= most) continue;
      const words = `${formatQuantity(component, asked)} is above ${formatQuantity(component, most)}, all that the pools of "${workload}" can have`;
      say(['tasks', index, 'demand', component], words);
    }
  });
  return problems;
}
