import type { Constraint } from './constraint.js';

/**
 * At most so many replicas more or fewer in one change. Block 0 counts from what runs now; a later block follows after
 * as many changes as cycles fit between, so that a steep rise is begun in time.
 */
export const stepLimits: Constraint = {
  name: 'step-limits',
  why: 'too many replicas starting or ending at once is a load of its own',
  add(build) {
    const { builder, prepared } = build;
    const { cycle } = prepared.input.policy;
    for (const workload of build.workloads) {
      const { stepUp, stepDown } = workload.policy.replicas;
      if (stepUp === undefined && stepDown === undefined) continue;
      const { name } = workload.policy;
      const group = (id: string, words: string): string =>
        builder.group({ id: `step/${name}/${id}`, constraint: 'step-limits', words });
      const gives = build.gives('step');
      for (const block of build.blocks) {
        const before = build.before(block);
        if (before === null) continue;
        if (before === 'now') {
          if (stepUp !== undefined) {
            const upper = group('up', `at most ${stepUp} more replicas of ${name} at once, from ${workload.running}`);
            const bound = workload.running + stepUp;
            builder.row(build.total(workload.index, block), { upper: { bound, group: upper, gives } });
          }
          if (stepDown !== undefined) {
            const lower = group('down', `at most ${stepDown} fewer replicas of ${name} at once, from ${workload.now}`);
            const bound = workload.now - stepDown;
            builder.row(build.total(workload.index, block), { lower: { bound, group: lower, gives } });
          }
          continue;
        }
        const changes = changesBetween(prepared.hours[before] ?? 0, cycle);
        const move = [...build.total(workload.index, block), ...build.total(workload.index, before, -1)];
        if (stepUp !== undefined) {
          const upper = group('up', `at most ${stepUp} more replicas of ${name} at once, from ${workload.running}`);
          builder.row(move, { upper: { bound: stepUp * changes, group: upper, gives } });
        }
        if (stepDown !== undefined) {
          const lower = group('down', `at most ${stepDown} fewer replicas of ${name} at once, from ${workload.now}`);
          builder.row(move, { lower: { bound: -stepDown * changes, group: lower, gives } });
        }
      }
    }
  },
};

/** Changes that can be made while a block of so many hours lasts. */
export const changesBetween = (hours: number, cycle: number): number => Math.max(1, Math.round((hours * 3600) / cycle));
