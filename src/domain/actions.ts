import type { WorkloadPolicy } from './account.js';
import type { PrepullPolicy, WarmUpPolicy } from './preparation.js';

/** Something that is done for a workload before capacity of it is needed. */
export type WorkloadAction =
  | { kind: 'prepull'; action: string; ahead: number; prepull: PrepullPolicy }
  | { kind: 'warm-up'; action: string; ahead: number; warmUp: WarmUpPolicy }
  | { kind: 'hook'; action: string; ahead: number; hook: 'prefetch' | 'prestage'; url: string };

/** The actions of a workload in the order in which they are done: what is fetched first, then what is filled with it. */
export function actionsOf(workload: WorkloadPolicy): WorkloadAction[] {
  const hooks = (hook: 'prefetch' | 'prestage') =>
    workload[hook].map(({ name, url, ahead }): WorkloadAction => ({
      kind: 'hook',
      action: `${hook}.${name}`,
      ahead,
      hook,
      url,
    }));
  const { prepull } = workload;
  return [
    ...hooks('prefetch'),
    ...(prepull === undefined
      ? []
      : [{ kind: 'prepull', action: 'prepull', ahead: prepull.ahead, prepull } satisfies WorkloadAction]),
    ...hooks('prestage'),
    ...(workload.warmUp ?? []).map((warmUp): WorkloadAction => ({
      kind: 'warm-up',
      action: `warm-up.${warmUp.name}`,
      ahead: warmUp.ahead,
      warmUp,
    })),
  ];
}
