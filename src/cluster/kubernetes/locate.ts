import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';
import type { FieldPlace, WorkloadTarget } from '../port.js';
import { KINDS, pathOf } from './cache/kinds.js';
import { Answered, type Transport } from './cache/transport.js';
import { findTarget } from './read/workloads.js';
import { unavailable } from './observe.js';

const listSchema = z.object({ items: z.array(z.unknown()).nullish() });

/** Enough to tell one from several. */
const MOST = 10;

export const isWorkload = (place: FieldPlace | null): place is WorkloadTarget =>
  place !== null && (place.kind === 'Deployment' || place.kind === 'StatefulSet');

/**
 * The object that a target by labels means, read at the API server: a write never goes by what a cache believes. A
 * target by name alone is what it says, without a request.
 * @returns the target with its name, or why there is none, in words.
 */
export async function locate(
  transport: Transport,
  target: WorkloadTarget,
  signal: AbortSignal,
): Promise<WorkloadTarget | { absent: string }> {
  const { kind, namespace, name, labels, anyName = false } = target;
  if (labels === undefined || Object.keys(labels).length === 0) return target;
  const of = kind === 'Deployment' ? KINDS.deployments : KINDS.statefulSets;
  const query = anyName
    ? {
        labelSelector: Object.entries(labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
      }
    : { fieldSelector: `metadata.name=${name}` };
  try {
    const answer = await transport.get(pathOf(of, namespace), { ...query, limit: MOST }, { signal, timeoutMs: 10_000 });
    const found = findTarget(target, (listSchema.parse(answer).items ?? []).map(of.slim));
    return 'absent' in found ? found : { ...target, name: found.record.name };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Answered && (error.status === 403 || error.status === 401)) {
      throw new HeadroomError({
        kind: 'refused',
        component: 'cluster/kubernetes',
        action: `finding ${kind} of ${target.workload} in namespace ${namespace}`,
        problem: error.message,
        remedy: `grant list on ${of.resource}`,
        cause: error,
      });
    }
    throw unavailable(
      `finding ${kind} of ${target.workload} in namespace ${namespace}`,
      error instanceof Error ? error.message : String(error),
      error,
    );
  }
}
