import { z } from 'zod';
import type { FieldOwner } from '../../domain/cluster.js';
import { HEADROOM } from '../fence.js';
import { ownersOf, type ManagedFields, type PathStep } from './managed-fields.js';
import { wholeNumber } from './state.js';

/*
 * The CPU target among the metrics of an HPA. The API has `spec.metrics` as one field (`listType: atomic`): who writes one
 * metric of it owns them all, and whoever alters any of them owns them from then on. Pure.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#custom-resources-and-server-side-apply
 */

/** The list, and the one number that autoscaling/v1 has in its place. */
export const METRICS_PATHS: readonly (readonly PathStep[])[] = [
  ['spec', 'metrics'],
  ['spec', 'targetCPUUtilizationPercentage'],
];

/** On an HPA: the target in percent that its user set, written with the first raise above it. */
export const USER_TARGET = 'headroom.dev/user-target';

const metricSchema = z.looseObject({
  type: z.literal('Resource'),
  resource: z.looseObject({
    name: z.literal('cpu'),
    target: z.looseObject({ type: z.literal('Utilization'), averageUtilization: z.int().min(1) }),
  }),
});

export interface CpuTarget {
  /** Its place in the list. */
  index: number;
  /** Percent of the request, as the API has it. */
  percent: number;
}

/** Null where no metric is the utilization of the pods' CPU requests, or several are. */
export function cpuTarget(metrics: readonly unknown[]): CpuTarget | null {
  const found = metrics.flatMap((metric, index): CpuTarget[] => {
    const parsed = metricSchema.safeParse(metric);
    return parsed.success ? [{ index, percent: parsed.data.resource.target.averageUtilization }] : [];
  });
  return found.length === 1 ? (found[0] ?? null) : null;
}

/** The whole list as it stands, with another CPU target. */
export function withCpuTarget(metrics: readonly unknown[], at: CpuTarget, percent: number): unknown[] {
  return metrics.map((metric, index) => {
    if (index !== at.index) return metric;
    const known = metricSchema.parse(metric);
    const target = { ...known.resource.target, averageUtilization: percent };
    return { ...known, resource: { ...known.resource, target } };
  });
}

export const shareOf = (percent: number): number => percent / 100;
export const percentOf = (share: number): number => Math.round(share * 100);

/** Who owns the list, in either version of the API; Headroom only where nobody else does. */
export function targetOwner(entries: readonly ManagedFields[] | undefined): FieldOwner {
  const owners = METRICS_PATHS.flatMap((path) => ownersOf(entries, path));
  return (owners.find(({ manager }) => manager !== HEADROOM) ?? owners[0])?.manager ?? null;
}

/**
 * The target in percent that the user set: where somebody else owns it by now, or nobody, it is what stands there; where
 * Headroom does, what it found when it took it. Null where that is not known.
 */
export function userTarget(
  metadata: { annotations?: Record<string, string> | undefined; managedFields?: readonly ManagedFields[] | undefined },
  percent: number,
): number | null {
  if (targetOwner(metadata.managedFields) !== HEADROOM) return percent;
  return wholeNumber(metadata.annotations?.[USER_TARGET]);
}
