import type { CapacityPolicy, PolicySetup } from '../policy.js';

const DAY = 86_400;

/**
 * K × the same bin a day before the one that the decision reaches. Where that bin is missing, capacity stays; while
 * there is no yesterday, K × the last bin. With a lead of a day and more it looks back as many whole days as it must.
 */
export function createYesterday(setup: PolicySetup, factor: number): CapacityPolicy {
  const values: number[] = [];
  const ahead = setup.leadBins + 1;
  const days = Math.ceil(Math.max(1, (ahead * setup.step) / DAY));
  const back = Math.round((days * DAY) / setup.step);
  return {
    decide(seen) {
      values.push(seen.usage);
      const at = seen.index + ahead - back;
      const then = at < 0 ? seen.usage : (values[at] ?? Number.NaN);
      return Number.isNaN(then) ? seen.asked : factor * then;
    },
  };
}
