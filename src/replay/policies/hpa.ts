import type { CapacityPolicy, Observation, PolicySetup } from '../policy.js';

/** Kubernetes' default of --horizontal-pod-autoscaler-tolerance. */
const TOLERANCE = 0.1;
/** Kubernetes' default of behavior.scaleDown.stabilizationWindowSeconds. */
const STABILIZATION = 300;

/**
 * The horizontal pod autoscaler at a utilization target U, at every bin: desired = usage / U. As the real one does, it
 * leaves things as they are while usage is within 10 % of U × the capacity that it asked for last (pods that are asked
 * for and not ready count as unused there, which is the same), and scales down only to the maximum of what it wanted
 * in the last five minutes, both ends included, since it looks every 15 seconds. A bin without metrics changes nothing.
 * It sees usage, not demand: throttled, it grows by 1/U a step at most. Source: Kubernetes 1.35,
 * pkg/controller/podautoscaler.
 */
export function createHpa(setup: Pick<PolicySetup, 'step'>, utilization: number): CapacityPolicy {
  let recommendations: { index: number; value: number }[] = [];
  return {
    decide(seen: Observation): number {
      const { usage, asked, index } = seen;
      if (Number.isNaN(usage)) return asked;
      const ratio = usage / (asked * utilization);
      const desired = Math.abs(ratio - 1) <= TOLERANCE ? asked : usage / utilization;
      recommendations = recommendations.filter((past) => (index - past.index) * setup.step <= STABILIZATION);
      recommendations.push({ index, value: desired });
      return desired >= asked || Number.isNaN(asked)
        ? desired
        : Math.min(asked, Math.max(...recommendations.map((past) => past.value)));
    },
  };
}
