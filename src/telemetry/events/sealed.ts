import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import type { Contribution, LastSeen } from '../../behavior/contributions.js';
import { ROW_KINDS, type BehaviorEvent, type EventInput } from '../../behavior/events.js';
import { SHORTEST_ID, withoutId } from '../../behavior/labels.js';
import type { EventKey } from './keys.js';

/* How events, contributions and sessions stand in the door's file: JSON rows without names, deflated, sealed. */

const text = z.string().nullable();
const number = z.number().nullable();
const measure = z.object({ sum: z.number(), of: z.number() }).nullable();

const eventRow = z.tuple([
  ...[z.number(), z.string(), z.boolean(), z.string(), text, text],
  ...[z.number(), number, number, number, text, text],
] as const);
const contributionRow = z.tuple([
  ...[z.enum(ROW_KINDS), text, text, text, z.string(), z.boolean(), z.number(), measure, measure, measure],
] as const);
const seenRow = z.tuple([z.string(), z.number(), z.string()]);

const seal = (key: EventKey, rows: unknown): Uint8Array => key.seal(deflateRawSync(JSON.stringify(rows)));
const unseal = <Schema extends z.ZodType>(key: EventKey, sealed: Uint8Array, schema: Schema): z.output<Schema> =>
  schema.parse(JSON.parse(inflateRawSync(key.unseal(sealed)).toString()));

export const sealEvents = (key: EventKey, events: readonly BehaviorEvent[]): Uint8Array =>
  seal(
    key,
    events.map((e): z.input<typeof eventRow> => [
      ...([e.at, e.person, e.system, e.operation, e.dataset, e.group] as const),
      ...([e.count, e.complexity, e.sessions, e.inputRate, e.program, e.region] as const),
    ]),
  );

export const unsealEvents = (key: EventKey, sealed: Uint8Array, account: string): BehaviorEvent[] =>
  unseal(key, sealed, z.array(eventRow)).map(
    ([at, person, system, operation, dataset, group, count, complexity, sessions, inputRate, program, region]) => ({
      ...{ account, at, person, system, operation, dataset, group },
      ...{ count, complexity, sessions, inputRate, program, region },
    }),
  );

export const sealContributions = (key: EventKey, contributions: readonly Contribution[]): Uint8Array =>
  seal(
    key,
    contributions.map((c): z.input<typeof contributionRow> => [
      ...([c.kind, c.name, c.detail, c.group, c.person, c.system] as const),
      ...([c.events, c.complexity, c.sessions, c.inputRate] as const),
    ]),
  );

export const unsealContributions = (key: EventKey, sealed: Uint8Array): Contribution[] =>
  unseal(key, sealed, z.array(contributionRow)).map(
    ([kind, name, detail, group, person, system, events, complexity, sessions, inputRate]) => ({
      ...{ kind, name, detail, group, person, system, events, complexity, sessions, inputRate },
    }),
  );

export const sealSeen = (key: EventKey, seen: readonly LastSeen[]): Uint8Array =>
  seal(
    key,
    seen.map(({ person, at, operation }) => [person, at, operation]),
  );

export const unsealSeen = (key: EventKey, sealed: Uint8Array): LastSeen[] =>
  unseal(key, sealed, z.array(seenRow)).map(([person, at, operation]) => ({ person, at, operation }));

/** What the pseudonym of a user is made from. */
export const personOf = (user: string): string => `user ${user}`;

/**
 * The door itself: from here on there is no raw id. A label that carries the user's own id, as `home/ada`, gets `{user}`
 * in its place: it is no secret any more, and the same thing for everybody.
 */
export function pseudonymise(key: EventKey, input: EventInput): BehaviorEvent {
  const { account, at, user, system } = input;
  const clean = (label: string): string =>
    user === undefined || user.length < SHORTEST_ID ? label : withoutId(user, label);
  const optional = (label: string | undefined): string | null => (label === undefined ? null : clean(label));
  return {
    account,
    at,
    person: key.person(account, at, user === undefined ? `system ${input.program ?? ''}` : personOf(user)),
    system,
    operation: clean(input.operation),
    dataset: optional(input.dataset),
    group: optional(input.group),
    count: input.count,
    complexity: input.complexity ?? null,
    sessions: input.sessions ?? null,
    inputRate: input.inputRate ?? null,
    program: optional(input.program),
    region: optional(input.region),
  };
}
