import { z } from 'zod';
import type { EpochSeconds } from '../domain/time.js';
import { shortId } from './artifact.js';
import { modelsError } from './errors.js';

/*
 * Who serves: one champion for a kind within a scope, those before it, and a challenger that is scored beside it. Each
 * step is a pure function of the state before it; champions.ts keeps the states.
 */

const hex64 = z.string().regex(/^[0-9a-f]{64}$/);

const reignSchema = z.object({ id: hex64, since: z.number(), by: z.string(), reason: z.string() });
export type Reign = z.infer<typeof reignSchema>;

const EVENTS = ['challenged', 'promoted', 'rejected', 'rolled-back'] as const;
/** How it did beside the champion on data that neither had seen. */
const judgedSchema = z.object({
  /** Loss as a multiple of the champion's, geometric mean; below 1 is better. */
  ratio: z.number(),
  /** Days of series that it rests on. */
  units: z.number(),
});
export type Judged = z.infer<typeof judgedSchema>;

const stepSchema = z.object({
  at: z.number(),
  event: z.enum(EVENTS),
  id: hex64,
  /** The champion that it was measured against or took the place of. */
  against: hex64.nullable(),
  by: z.string(),
  reason: z.string(),
  /** Absent where nothing was measured, and in steps of earlier releases. */
  judged: judgedSchema.optional(),
});
export type ReignStep = z.infer<typeof stepSchema>;

export const successionSchema = z.object({
  format: z.literal(1),
  scope: z.string(),
  kind: z.string(),
  champion: reignSchema.nullable(),
  /** Champions before it, the latest first: what a rollback goes back to. */
  earlier: z.array(reignSchema),
  challenger: reignSchema.nullable(),
  /** The latest last. */
  history: z.array(stepSchema),
});
export type Succession = z.infer<typeof successionSchema>;

/** Who did it, when and why. */
export interface Act {
  at: EpochSeconds;
  by: string;
  reason: string;
  /** What was measured, where something was. */
  judged?: Judged;
}

const EARLIER_KEPT = 5;
const HISTORY_KEPT = 200;

export const nobodyYet = (scope: string, kind: string): Succession => ({
  format: 1,
  scope,
  kind,
  champion: null,
  earlier: [],
  challenger: null,
  history: [],
});

function noted(state: Succession, event: ReignStep['event'], id: string, act: Act): ReignStep[] {
  const { at, by, reason, judged } = act;
  const against = state.champion?.id ?? null;
  const step = { at, event, id, against, by, reason, ...(judged === undefined ? {} : { judged }) };
  return [...state.history, step].slice(-HISTORY_KEPT);
}

const reignOf = (id: string, { at, by, reason }: Act): Reign => ({ id, since: at, by, reason });

/** Puts an artifact beside the champion, to be scored and not used; one that was there before gives way. */
export function challenge(state: Succession, id: string, act: Act): Succession {
  if (state.champion?.id === id) return state;
  return { ...state, challenger: reignOf(id, act), history: noted(state, 'challenged', id, act) };
}

/** Ends a challenge without a change. Nothing where the challenger is another one by now. */
export function reject(state: Succession, id: string, act: Act): Succession {
  if (state.challenger?.id !== id) return state;
  return { ...state, challenger: null, history: noted(state, 'rejected', id, act) };
}

/** Makes an artifact the champion; nothing where it is that already. */
export function promote(state: Succession, id: string, act: Act): Succession {
  if (state.champion?.id === id) return state;
  const before = state.champion === null ? [] : [state.champion];
  return {
    ...state,
    champion: reignOf(id, act),
    earlier: [...before, ...state.earlier.filter((one) => one.id !== id)].slice(0, EARLIER_KEPT),
    challenger: state.challenger?.id === id ? null : state.challenger,
    history: noted(state, 'promoted', id, act),
  };
}

/**
 * Back to the champion before this one; where it was the first, to none: forecasts then go without.
 * @throws HeadroomError `refused` where there is no champion.
 */
export function rollback(state: Succession, act: Act): Succession {
  const { champion } = state;
  if (champion === null) {
    const action = `rolling ${state.kind} of ${state.scope} back`;
    throw modelsError('refused', action, 'it has no champion', '`headroom models list` shows what there is');
  }
  const [before, ...rest] = state.earlier;
  return {
    ...state,
    champion: before === undefined ? null : { ...before, since: act.at, by: act.by, reason: act.reason },
    earlier: rest,
    history: noted(state, 'rolled-back', champion.id, act),
  };
}

/**
 * Takes artifacts out of a succession because their files go: a challenger is let go, a champion gives way to the one
 * before it. The same state where it names none of them.
 * @param gone ids of the files that go.
 * @param sound whether one of the others could serve; champions before that could not are left behind, too.
 */
export function withdraw(
  state: Succession,
  gone: ReadonlySet<string>,
  sound: (id: string) => boolean,
  act: Act,
): Succession {
  if (!keptOf(state).some((id) => gone.has(id))) return state;
  const { challenger } = state;
  let next = challenger !== null && gone.has(challenger.id) ? reject(state, challenger.id, act) : state;
  next = { ...next, earlier: next.earlier.filter(({ id }) => !gone.has(id)) };
  if (next.champion === null || !gone.has(next.champion.id)) return next;
  return rollback({ ...next, earlier: next.earlier.filter(({ id }) => sound(id)) }, act);
}

/** Whether an artifact was taken back by someone, with no promotion of it since: retraining leaves it alone. */
export function wasRolledBack(state: Succession, id: string): boolean {
  const last = state.history.filter((step) => step.id === id && step.event !== 'challenged').at(-1);
  return last?.event === 'rolled-back';
}

/** What must not be collected. */
export const keptOf = (state: Succession): string[] =>
  [state.champion, state.challenger, ...state.earlier].flatMap((one) => (one === null ? [] : [one.id]));

/** One line for a person. */
export function describeStep(step: ReignStep): string {
  const against = step.against === null || step.against === step.id ? '' : ` (champion ${shortId(step.against)})`;
  return `${step.event} ${shortId(step.id)}${against} by ${step.by}: ${step.reason}`;
}
