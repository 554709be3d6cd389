import type { AccountPolicy } from './account.js';
import type { AnnouncedEvent } from './control.js';

/** Events of the account file, in the form of announced ones. */
export function announced(event: AccountPolicy['events'][number]): AnnouncedEvent {
  return {
    name: event.name,
    from: event.from,
    to: event.to,
    ...(event.workloads === undefined ? {} : { workloads: event.workloads }),
    expect:
      event.demand === undefined
        ? {
            multiplier: event.multiplier ?? 1,
            ...(event.components === undefined ? {} : { components: event.components }),
          }
        : { demand: event.demand },
    uncertainty: event.uncertainty,
    author: 'account file',
  };
}
