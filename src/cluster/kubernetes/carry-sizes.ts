import { COMPONENTS } from '../../domain/component.js';
import { isHeadroomError } from '../../domain/errors.js';
import type { ObserveRequest } from '../port.js';
import { readWorkload } from './actuators/live-workload.js';
import { resizePods } from './actuators/in-place.js';
import { ApiRefusal, type KubernetesApi } from './api.js';
import type { Watches } from './cache/watches.js';
import { objectsOf } from './observe.js';
import { findTarget, podsByWorkload } from './read/workloads.js';
import { inPlaceRequests, mainContainer, RESOURCE_NAMES } from './requests.js';

/**
 * Gives the size that a workload's pods were given in place to those that came since, which the template made. It is no
 * new change, only what one that was applied has promised: nothing is done where no such size stands on the workload, and
 * what cannot be done now is looked at again with the next observation.
 */
export async function carrySizes(
  api: KubernetesApi,
  watches: Watches,
  { workloads }: ObserveRequest,
  signal: AbortSignal,
): Promise<void> {
  for (const target of workloads) {
    if (target.resize !== 'in-place') continue;
    const found = findTarget(target, objectsOf(watches, target));
    if ('absent' in found || !found.record.sizedInPlace) continue;
    const { record } = found;
    const pods = podsByWorkload([record], watches.pods.inNamespace(target.namespace)).get(record) ?? [];
    const differs = pods.some(
      ({ ended, leaving, requests }) =>
        !ended && !leaving && Object.entries(record.requests).some(([name, amount]) => requests[name] !== amount),
    );
    if (!differs) continue;
    try {
      const workload = await readWorkload(api, { ...target, name: record.name }, signal);
      const { template } = workload.spec;
      const given = inPlaceRequests(workload.object.metadata.annotations, template);
      const container = mainContainer(template)?.name;
      for (const component of COMPONENTS) {
        const [resource, quantity] = [RESOURCE_NAMES[component], given[component]];
        if (resource === undefined || quantity === undefined || container === undefined) continue;
        await resizePods(api, workload, { container, resource, quantity }, 0, signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      // A role that may only read leaves it to the worker that may write; a server that is away, to the next time.
      if (!(error instanceof ApiRefusal) && !isHeadroomError(error)) throw error;
    }
  }
}
