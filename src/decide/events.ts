import { announced } from '../domain/announced.js';
import type { AccountPolicy } from '../domain/account.js';
import type { Component } from '../domain/component.js';
import type { AnnouncedEvent } from '../domain/control.js';
import type { Series } from '../domain/series.js';
import { ordinary as withoutEvents, type KnownAhead } from '../forecast/known-inputs.js';

/** What the policy says ahead, and what was announced. */
export const knownAhead = (policy: AccountPolicy, events: readonly AnnouncedEvent[]): KnownAhead => ({
  events: [...policy.events.map(announced), ...events],
  ...(policy.holidays === undefined ? {} : { holidays: policy.holidays }),
  ...(policy.tasks.length === 0 ? {} : { tasks: { timeZone: policy.timeZone, of: policy.tasks } }),
});

/** A series as the models learn from it: without what the policy's events and announced ones add. */
export const ordinary = (
  series: Series,
  workload: string,
  component: Component,
  policy: AccountPolicy,
  events: readonly AnnouncedEvent[],
): Series => withoutEvents(series, workload, component, knownAhead(policy, events).events);
