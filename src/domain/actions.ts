import type { WorkloadPolicy } from './account.js';
import type { DataSetsPolicy, PrepullPolicy, WarmUpPolicy } from './preparation.js';

/** Something that is done for a workload before capacity of it is needed. */
export type WorkloadAction = {
  action: string;
  ahead: number;
  /** It is told which data sets are likely to be read, and done before they are; absent where it did not ask. */
  dataSets?: DataSetsPolicy;
} & (
  | { kind: 'prepull'; prepull: PrepullPolicy }
  | { kind: 'warm-up'; warmUp: WarmUpPolicy }
  | { kind: 'hook'; hook: 'prefetch' | 'prestage'; url: string }
);

/** The actions of a workload in the order in which they are done: what is fetched first, then what is filled with it. */
export function actionsOf(workload: WorkloadPolicy): WorkloadAction[] {
  const hooks = (hook: 'prefetch' | 'prestage') =>
    workload[hook].map(({ name, url, ahead, dataSets }): WorkloadAction => ({
      kind: 'hook',
      action: `${hook}.${name}`,
      ahead,
      hook,
      url,
      ...(dataSets === undefined ? {} : { dataSets }),
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
      ...(warmUp.dataSets === undefined ? {} : { dataSets: warmUp.dataSets }),
    })),
  ];
}
