import { decideCapacity, EVIDENCE_WINDOW, type DecidedCapacity } from '../../allocate/capacity.js';
import type { GuardInput } from '../../allocate/guard.js';
import { isHeadroomError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/time.js';
import type { FittedForecaster } from '../../forecast/port.js';
import { createEvidence } from '../evidence.js';
import type { CapacityPolicy, Observation, PolicySetup } from '../policy.js';
import { sixDigits } from '../six-digits.js';

const DAY = 86_400;

export interface HeadroomSettings {
  /** Seconds of data between two fits; observations in between are O(1). */
  refitEvery: number;
  /** Seconds of history that a fit sees at most. */
  history: number;
  /** Seconds of recent bins that the guard looks at. */
  guardWindow: number;
}

export const HEADROOM_SETTINGS: HeadroomSettings = { refitEvery: 7 * DAY, history: 28 * DAY, guardWindow: 900 };

/** The last bins, as the guard wants them. */
function createWindow(length: number): { push(seen: Observation): void; input(asked: number): GuardInput } {
  const usage: number[] = [];
  const throttled: number[] = [];
  const capacity: number[] = [];
  return {
    push(seen) {
      usage.push(seen.usage);
      throttled.push(seen.throttled ? 1 : 0);
      capacity.push(seen.capacity);
      for (const column of [usage, throttled, capacity]) if (column.length > length) column.shift();
    },
    input: (asked) => ({ usage, throttled, capacity, asked, bounds: { min: 0, max: Number.POSITIVE_INFINITY } }),
  };
}

/**
 * Headroom as it owns a capacity: {@link decideCapacity} on the calibrated quantile at the level, at the bin that a
 * decision made now still reaches. Fits at the first decision that is scored and then on a fixed schedule, on what is
 * known by then; before that, it is reactive.
 */
export function createHeadroom(setup: PolicySetup, settings: HeadroomSettings = HEADROOM_SETTINGS): CapacityPolicy {
  const history = createHistory(Math.max(1, Math.round(settings.history / setup.step)));
  const window = createWindow(Math.max(1, Math.round(settings.guardWindow / setup.step)));
  const horizon = setup.leadBins + 1;
  const firstFit = Math.max(0, setup.firstScored - setup.leadBins - 1);
  const refitBins = Math.max(1, Math.round(settings.refitEvery / setup.step));
  let forecaster: FittedForecaster | null = null;
  const evidence = createEvidence(Math.max(1, Math.round(EVIDENCE_WINDOW / setup.step)));
  const counts: Record<DecidedCapacity['by'], number> = { forecast: 0, ceiling: 0, guard: 0, reactive: 0, hold: 0 };
  const reasons = new Map<string, number>();

  const learn = (seen: Observation): void => {
    history.push(seen.usage, seen.censored);
    if (seen.index < firstFit) return;
    if ((seen.index - firstFit) % refitBins !== 0 && forecaster !== null) {
      forecaster.observe(seen.label, seen.usage, seen.censored);
      return;
    }
    try {
      forecaster = setup.fit(history.series(seen.label, setup.step), {
        timeZone: setup.timeZone,
        levels: setup.level > 0.5 ? [0.5, setup.level] : [setup.level],
        level: setup.level,
        leadSteps: horizon,
        horizon,
        seed: setup.seed,
      });
    } catch (error) {
      // A series that cannot be forecast is served reactively; anything else is a defect.
      if (!isHeadroomError(error)) throw error;
      forecaster = null;
      reasons.set(error.message, (reasons.get(error.message) ?? 0) + 1);
    }
  };
  return {
    decide(seen) {
      window.push(seen);
      evidence.push(seen.usage);
      learn(seen);
      const gate = forecaster?.gate();
      const row = forecaster?.forecast(horizon, [setup.level]).quantiles[horizon - 1];
      const decided = decideCapacity({
        quantile: row?.[0] ?? null,
        gateOpen: gate?.open ?? false,
        level: setup.level,
        evidence: evidence.now(),
        guard: window.input(seen.asked),
      });
      if (seen.index >= firstFit) counts[decided.by] += 1;
      return sixDigits(decided.capacity);
    },
    notes() {
      const total = Math.max(
        1,
        Object.values(counts).reduce((sum, count) => sum + count, 0),
      );
      const shares = Object.entries(counts).map(([by, count]) => `${by} ${((100 * count) / total).toFixed(1)} %`);
      return [
        `refitted every ${formatDuration(settings.refitEvery)}; decided by ${shares.join(', ')}`,
        ...[...reasons].map(([reason, count]) => `${reason} (${count} times)`),
      ];
    },
  };
}

/** The last `length` bins, ready to be fitted on. */
function createHistory(length: number) {
  let values = new Float64Array(1024);
  let censored = new Uint8Array(1024);
  let count = 0;
  return {
    push(value: number, isBound: boolean): void {
      if (count === values.length) {
        // Room for twice what a fit may see: old bins are dropped when it is full.
        const keep = Math.min(count, length);
        const room = Math.max(1024, 2 * Math.max(keep, 1));
        const nextValues = new Float64Array(room);
        const nextCensored = new Uint8Array(room);
        nextValues.set(values.subarray(count - keep, count));
        nextCensored.set(censored.subarray(count - keep, count));
        values = nextValues;
        censored = nextCensored;
        count = keep;
      }
      values[count] = value;
      censored[count] = isBound ? 1 : 0;
      count += 1;
    },
    /** A copy, since the forecaster may keep it. */
    series(lastLabel: number, step: number) {
      const from = Math.max(0, count - length);
      return {
        start: lastLabel - (count - from - 1) * step,
        step,
        values: values.slice(from, count),
        censored: censored.slice(from, count),
      };
    },
  };
}
