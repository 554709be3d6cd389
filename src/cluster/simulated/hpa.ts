import type { EpochSeconds } from '../../domain/time.js';

/*
 * The horizontal pod autoscaler's rule, as kube-controller-manager applies it by default: 15 s between looks, 10 %
 * tolerance, at most double or four more in one look, down only to the highest recommendation of the last 5 minutes.
 */

export const HPA_PERIOD = 15;
const TOLERANCE = 0.1;
const STABILISATION = 300;

export interface HpaMemory {
  lastLook: EpochSeconds;
  recommendations: { at: EpochSeconds; replicas: number }[];
}

export interface HpaLook {
  at: EpochSeconds;
  /** What the spec asks for now. */
  replicas: number;
  readyReplicas: number;
  /** Of all pods together, and of one pod; NaN usage is not measured. */
  usage: number;
  request: number;
  target: number;
  floor: number;
  ceiling: number;
}

/** What the autoscaler asks for now; remembers its recommendations in `memory`. */
export function hpaDesired(memory: HpaMemory, look: HpaLook): number {
  memory.lastLook = look.at;
  const bounded = (replicas: number) => Math.min(look.ceiling, Math.max(look.floor, replicas));
  // Without a reading it changes nothing but what its bounds ask for.
  if (Number.isNaN(look.usage) || look.readyReplicas === 0 || look.request <= 0) return bounded(look.replicas);
  const recommended = recommend(look);
  memory.recommendations = memory.recommendations.filter(({ at }) => at > look.at - STABILISATION);
  memory.recommendations.push({ at: look.at, replicas: recommended });
  const highest = Math.max(...memory.recommendations.map(({ replicas }) => replicas));
  // Down: to the highest of the window, and never up by it.
  const desired = recommended < look.replicas ? Math.min(look.replicas, highest) : recommended;
  return bounded(Math.min(desired, Math.max(2 * look.replicas, look.replicas + 4)));
}

function recommend(look: HpaLook): number {
  const share = (pods: number) => look.usage / (look.request * pods) / look.target;
  const ratio = share(look.readyReplicas);
  if (Math.abs(ratio - 1) <= TOLERANCE) return look.replicas;
  // Pods on their way count as idle when it goes up, so that it does not ask twice.
  if (ratio > 1 && look.readyReplicas < look.replicas && share(look.replicas) <= 1 + TOLERANCE) return look.replicas;
  return Math.ceil(look.usage / (look.request * look.target) - 1e-9);
}
