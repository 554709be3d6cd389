import { COMPONENT_UNITS } from '../../domain/component.js';
import type { QuotaState } from '../../domain/cluster.js';
import type { Entry } from '../model.js';
import type { Prepared, PreparedWorkload } from '../prepare.js';
import { amountWords } from './demand.js';
import type { Constraint } from './constraint.js';

/** Σ replicas · what one counts ≤ what a quota of the cluster leaves to the workloads that it counts. */
export const quota: Constraint = {
  name: 'quota',
  why: 'what is above a namespace’s quota is never created, however well it was planned',
  add(build) {
    const { builder, prepared } = build;
    for (const one of quotasOf(prepared)) {
      const scale = one.bound > 0 ? one.bound : 1;
      const group = builder.group({ id: `quota/${one.name}`, constraint: 'quota', words: one.words });
      for (const block of build.blocks) {
        const entries: Entry[] = build.workloads.flatMap((workload) =>
          build.replicas(workload.index, block).flatMap(({ column, option }) => {
            const value = one.count(workload, option);
            return value === 0 ? [] : [{ column, value: value / scale }];
          }),
        );
        if (entries.length > 0) builder.row(entries, { upper: { bound: one.bound / scale, group } });
      }
    }
  },
};

export interface PreparedQuota {
  name: string;
  words: string;
  unit: string;
  /** What the account's workloads may have together. */
  bound: number;
  /** What one replica of a workload counts at a size. */
  count(workload: PreparedWorkload, option: number): number;
}

/** A quota that is overrun already takes nothing away: what is there may stay. */
export function quotasOf(prepared: Prepared): PreparedQuota[] {
  return (prepared.input.state.quotas ?? []).map((state) => {
    const count = (workload: PreparedWorkload, option: number): number => {
      const each = workload.exists ? state.each[workload.policy.name] : undefined;
      if (each === undefined) return 0;
      const chosen = state.component === undefined ? undefined : workload.options[option]?.request[state.component];
      return chosen ?? each;
    };
    const now = prepared.workloads.reduce(
      (sum, workload) => sum + workload.running * (workload.exists ? (state.each[workload.policy.name] ?? 0) : 0),
      0,
    );
    const unit = state.component === undefined ? state.quota.split(' ').at(-1) : COMPONENT_UNITS[state.component];
    return { name: state.quota, words: wordsOf(state), unit: unit ?? '', bound: Math.max(state.room, now), count };
  });
}

function wordsOf({ quota: name, component, room }: QuotaState): string {
  const amount = component === undefined ? Number(room.toPrecision(4)) : amountWords(component, room);
  return `quota ${name} leaves ${amount} to it`;
}
