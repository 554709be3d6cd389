import { COMPONENTS, formatQuantity } from '../domain/component.js';
import type { AnnouncedEvent, OverrideTarget, Stamp } from '../domain/control.js';
import { isoTime } from '../domain/time.js';

/** What an override sets, as its option writes it: `web.replicas = 12`, `web.cpu = 750m`, `pool general = 3`. */
export function overrideWords(target: OverrideTarget): string {
  switch (target.field) {
    case 'replicas':
      return `${target.workload}.replicas = ${target.value}`;
    case 'request':
      return `${target.workload}.${target.component} = ${formatQuantity(target.component, target.value)}`;
    case 'pool':
      return `pool ${target.pool} = ${target.value} nodes`;
    case 'level':
      return `${target.workload === undefined ? '' : `${target.workload}.`}level = ${target.value}`;
  }
}

/** What an event is expected to ask for: `2.2 × the forecast ± 20 %`, or amounts by component. */
export function expectationWords({ expect, uncertainty, workloads }: AnnouncedEvent): string {
  const much =
    'multiplier' in expect
      ? `${expect.multiplier} × the forecast${expect.components === undefined ? '' : ` of ${expect.components.join(', ')}`}`
      : COMPONENTS.flatMap((component) => {
          const amount = expect.demand[component];
          return amount === undefined ? [] : [`${component} ${formatQuantity(component, amount)}`];
        }).join(', ');
  const width = uncertainty === 0 ? '' : ` ± ${Number((100 * uncertainty).toPrecision(3))} %`;
  return `${much}${width}${workloads === undefined ? '' : `, of ${workloads.join(', ')}`}`;
}

/** Who did it, until when, and why where that was said. */
export const stampWords = ({ author, until, reason }: Stamp): string =>
  `by ${author} until ${isoTime(until)}${reason === '' ? '' : `: ${reason}`}`;
