import type { CapacityPolicy, PolicySetup } from '../policy.js';
import { createHeadroom, HEADROOM_SETTINGS, type HeadroomSettings } from './headroom.js';
import { createHpa } from './hpa.js';

/** The target of the autoscaler that stays in charge above the floor. */
const TARGET = 0.5;

/**
 * Headroom beneath an autoscaler that owns the replicas: it raises the floor of an HPA at 50 % and never lowers what
 * the HPA wants. It can save nothing of what the HPA wastes, and makes up for what the HPA sees too late.
 */
export function createHeadroomFloor(
  setup: PolicySetup,
  settings: HeadroomSettings = HEADROOM_SETTINGS,
): CapacityPolicy {
  const floor = createHeadroom(setup, settings);
  const hpa = createHpa(setup, TARGET);
  let wanted = Number.NaN;
  return {
    decide(seen) {
      // The HPA compares usage with the replicas that there are, raised or not; its own wish is what it scales down to.
      wanted = hpa.decide({ ...seen, asked: wanted });
      const raised = floor.decide(seen);
      return Number.isNaN(wanted) || raised > wanted ? raised : wanted;
    },
    notes: () => floor.notes?.() ?? [],
  };
}
