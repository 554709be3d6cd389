import { COMPONENTS, type Component } from '../../domain/component.js';
import type { Entry } from '../model.js';
import type { Prepared } from '../prepare.js';
import { amountWords } from './demand.js';
import type { Constraint } from './constraint.js';

/** Σ replicas · request ≤ what the fleet grants, and never less than the guaranteed share, by component. */
export const grant: Constraint = {
  name: 'grant',
  why: 'what others are guaranteed is theirs, however wrong this account’s forecast is',
  add(build) {
    const { builder, prepared } = build;
    for (const component of COMPONENTS) {
      const most = grantOf(prepared, component, 0);
      if (most === null) continue;
      const scale = most > 0 ? most : 1;
      const group = builder.group({
        id: `grant/${component}`,
        constraint: 'grant',
        words: grantWords(prepared, component) ?? '',
      });
      for (const block of build.blocks) {
        const entries: Entry[] = [];
        for (const workload of build.workloads) {
          for (const { column, option } of build.replicas(workload.index, block)) {
            const request = workload.options[option]?.request[component];
            if (request !== undefined) entries.push({ column, value: request / scale });
          }
        }
        // A row that does not bind stays, so that the last cycle's basis fits.
        const binds = grantOf(prepared, component, block) !== null;
        builder.row(entries, { upper: binds ? { bound: most / scale, group } : { bound: Number.POSITIVE_INFINITY } });
      }
    }
  },
};

/**
 * The most of a component that the account may ask for in a block; null where nobody shares it out. What begins after
 * the grant has ended will have a grant of its own, of which nothing is known yet.
 */
export function grantOf(prepared: Prepared, component: Component, block: number): number | null {
  const { grant: amounts, grantUntil } = prepared.input;
  const granted = amounts?.[component];
  const from = prepared.blocks[block]?.from ?? 0;
  if (granted === undefined || (block > 0 && from >= (grantUntil ?? Number.POSITIVE_INFINITY))) return null;
  return Math.max(granted, prepared.input.policy.guaranteedShare?.[component] ?? 0);
}

/** Who bounds it, and at how much; null where nobody does. */
export function grantWords(prepared: Prepared, component: Component): string | null {
  const most = grantOf(prepared, component, 0);
  if (most === null) return null;
  return prepared.input.grantFrom === 'guaranteed'
    ? `the fleet is silent, its own share is ${amountWords(component, most)}`
    : `the fleet grants ${amountWords(component, most)}`;
}
