import type { CapacityPolicy, PolicySetup } from '../policy.js';

/** Provisioned once: the peak of everything known when the first scored bin is decided on, and never changed again. */
export function createStaticPeak(setup: PolicySetup): CapacityPolicy {
  let peak = Number.NaN;
  return {
    decide(seen) {
      const decides = seen.index + 1 + setup.leadBins;
      if (decides <= setup.firstScored && !(seen.usage <= peak) && !Number.isNaN(seen.usage)) peak = seen.usage;
      return peak;
    },
  };
}
