import { COMPONENTS, formatQuantity } from '../domain/component.js';
import type { Prepared, PreparedWorkload } from './prepare.js';
import { replicaPrice } from './sizes.js';

const MOST_NAMED = 3;

/**
 * Requests that the account file has otherwise than the cluster, where no grid says that the plan may choose: it counts with
 * what runs, and neither changes that nor is silent about it.
 */
export function otherSizes(prepared: Prepared): string[] {
  const all = prepared.workloads.flatMap((workload) => otherSizesOf(prepared, workload));
  const more = all.length - MOST_NAMED;
  return more > 0
    ? [...all.slice(0, MOST_NAMED), `and ${more} more requests that the account file has otherwise`]
    : all;
}

function otherSizesOf({ input, pools }: Prepared, { policy, state, pools: usable }: PreparedWorkload): string[] {
  if (state === null || !state.exists) return [];
  return COMPONENTS.flatMap((component) => {
    const settings = policy.components[component];
    const runs = state.request[component];
    if (settings === undefined || settings.grid !== undefined || runs === undefined) return [];
    const { request } = settings;
    if (Math.abs(request - runs) <= 1e-6 * Math.max(request, runs)) return [];
    const asked = input.overrides.some(
      ({ target }) => target.field === 'request' && target.workload === policy.name && target.component === component,
    );
    if (asked) return [];
    const fits = usable.some((index) => {
      const pool = pools[index]?.policy;
      return pool !== undefined && replicaPrice({ [component]: request }, pool) !== null;
    });
    const [file, cluster] = [formatQuantity(component, request), formatQuantity(component, runs)];
    const nowhere = fits ? '' : ', which fits no node of its pools';
    const choose = fits ? `, or let the plan choose (grid: [${cluster}, ${file}])` : '';
    return [
      `${policy.name} runs with a ${component} request of ${cluster}, and the account file says ${file}${nowhere}: the plan counts with what runs; correct one of the two${choose}`,
    ];
  });
}
