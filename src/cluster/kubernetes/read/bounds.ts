import { COMPONENTS, formatQuantity, type Component } from '../../../domain/component.js';
import type { WorkloadState } from '../../../domain/cluster.js';
import type { LimitRangeRecord } from '../cache/limit-records.js';
import type { WorkloadRecord } from '../cache/workload-records.js';
import { RESOURCE_NAMES } from '../requests.js';

type Bounds = NonNullable<WorkloadState['bounds']>;

/**
 * What one replica may request. Only its main container is sized: the bounds of a container hold for what the others
 * leave to it. LimitRanges (https://kubernetes.io/docs/concepts/policy/limit-range/) count by container and by pod; a
 * request above the container's own limit is refused by the API itself.
 */
export function boundsOf(workload: WorkloadRecord, ranges: Iterable<LimitRangeRecord>): Bounds {
  const all = [...ranges];
  const bounds: Bounds = {};
  for (const component of COMPONENTS) {
    const resource = RESOURCE_NAMES[component];
    if (resource === undefined) continue;
    const main = workload.containers.find(({ name }) => name === workload.main);
    if (main?.requests[resource] === undefined) continue;
    let others = 0;
    for (const container of workload.containers) if (container !== main) others += container.requests[resource] ?? 0;
    const bound = createBound(component);
    const limit = main.limits[resource];
    if (limit !== undefined) bound.atMost(others + limit, `container ${main.name} is limited to`, limit);
    for (const { name, limits } of all) {
      for (const { type, min, max, ratio } of limits) {
        const base = type === 'Container' ? others : type === 'Pod' ? 0 : null;
        if (base === null) continue;
        const what = `LimitRange ${name}: a ${type.toLowerCase()} has`;
        const [least, most, times] = [min[resource], max[resource], ratio[resource]];
        if (least !== undefined) bound.atLeast(base + least, `${what} at least`, least);
        if (most !== undefined) bound.atMost(base + most, `${what} at most`, most);
        if (times !== undefined && times > 0 && limit !== undefined && type === 'Container') {
          bound.atLeast(
            base + limit / times,
            `${what} a limit of ${times} times its request at most: at least`,
            limit / times,
          );
        }
      }
    }
    const found = bound.found();
    if (found !== null) bounds[component] = found;
  }
  return bounds;
}

function createBound(component: Component) {
  let min: { value: number; words: string } | null = null;
  let max: { value: number; words: string } | null = null;
  const amount = (value: number) => formatQuantity(component, value);
  return {
    atLeast(value: number, words: string, said: number) {
      if (min === null || value > min.value) min = { value, words: `${words} ${amount(said)}` };
    },
    atMost(value: number, words: string, said: number) {
      if (max === null || value < max.value) max = { value, words: `${words} ${amount(said)}` };
    },
    found(): Bounds[Component] | null {
      if (min === null && max === null) return null;
      return {
        ...(min === null ? {} : { min: min.value }),
        ...(max === null ? {} : { max: max.value }),
        words: [min?.words, max?.words].filter((words) => words !== undefined).join('; '),
      };
    },
  };
}
