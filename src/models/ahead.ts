import { z } from 'zod';
import { announced } from '../domain/announced.js';
import { COMPONENTS, type Component } from '../domain/component.js';
import type { AnnouncedEvent } from '../domain/control.js';
import { mergeEvents, type KnownAhead } from '../forecast/known-inputs.js';
import type { Store } from '../telemetry/port.js';

/* What was known ahead of an account, from the store: its holidays, its tasks, the events of its file and announced ones. */

const demand = z.partialRecord(z.enum(COMPONENTS), z.number());
const components = z.array(z.enum(COMPONENTS));
const span = { name: z.string(), from: z.number(), to: z.number(), workloads: z.array(z.string()).optional() };
const expectOf = (
  expect: { multiplier: number; components?: Component[] | undefined } | { demand: Partial<Record<Component, number>> },
): AnnouncedEvent['expect'] => {
  if ('demand' in expect) return expect;
  const { multiplier, components: reached } = expect;
  return { multiplier, ...(reached === undefined ? {} : { components: reached }) };
};

const announcedSchema = z
  .object({
    ...span,
    expect: z.union([z.object({ multiplier: z.number(), components: components.optional() }), z.object({ demand })]),
    uncertainty: z.number(),
    author: z.string(),
  })
  .transform(({ workloads, expect, ...event }): AnnouncedEvent => ({
    ...event,
    expect: expectOf(expect),
    ...(workloads === undefined ? {} : { workloads }),
  }));

const taskSchema = z.object({
  workload: z.string(),
  cron: z.string(),
  duration: z.number(),
  demand,
  earlier: z.number().default(0),
  later: z.number().default(0),
  target: z.object({}).optional(),
});

export const aheadSchema = z
  .object({
    holidays: z.array(z.string()).optional(),
    events: z.array(announcedSchema),
    tasks: z.object({ timeZone: z.string(), of: z.array(taskSchema) }).optional(),
  })
  .transform(({ holidays, events, tasks }): KnownAhead => ({
    events,
    ...(holidays === undefined ? {} : { holidays }),
    ...(tasks === undefined ? {} : { tasks }),
  }));

const policySchema = z.object({
  timeZone: z.string().default('UTC'),
  tasks: z.array(taskSchema).default([]),
  holidays: z.array(z.string()).optional(),
  events: z
    .array(
      z.object({
        ...span,
        multiplier: z.number().optional(),
        components: components.optional(),
        demand: demand.optional(),
        uncertainty: z.number().default(0.2),
      }),
    )
    .default([]),
});

/** Events of an account that are remembered: more than anybody announces in the history that models look at. */
const MOST_EVENTS = 500;

/** Announced events that the store remembers of an account, those that are over, too; oldest first. */
export async function eventsOf(store: Pick<Store, 'listRecords'>, account: string): Promise<AnnouncedEvent[]> {
  const records = await store.listRecords('event', account, { limit: MOST_EVENTS });
  return (
    records
      .reverse()
      .flatMap(({ body }) => announcedSchema.safeParse(body).data ?? [])
      // One that was announced otherwise when it had begun is one event.
      .reduce<AnnouncedEvent[]>((known, event) => mergeEvents(known, [event]), [])
  );
}

/**
 * @param body of the record of the account's policy; undefined where there is none.
 * @returns null where there is no policy: nobody said whether there were events.
 */
export async function aheadOf(
  store: Pick<Store, 'listRecords'>,
  account: string,
  body: unknown,
): Promise<KnownAhead | null> {
  const policy = policySchema.safeParse(body).data;
  if (policy === undefined) return null;
  const own = policy.events.map(({ workloads, multiplier, components: reached, demand: amounts, ...event }) =>
    announced({
      ...event,
      ...(workloads === undefined ? {} : { workloads }),
      ...(multiplier === undefined ? {} : { multiplier }),
      ...(reached === undefined ? {} : { components: reached }),
      ...(amounts === undefined ? {} : { demand: amounts }),
    }),
  );
  return {
    // As a worker sees them: those of the file, and beside them what was announced.
    events: [...own, ...(await eventsOf(store, account))],
    ...(policy.holidays === undefined ? {} : { holidays: policy.holidays }),
    ...(policy.tasks.length === 0 ? {} : { tasks: { timeZone: policy.timeZone, of: policy.tasks } }),
  };
}
