import type { EpochSeconds } from '../domain/time.js';

/*
 * Values far outside of all that was seen lately are either a spike, gone in a moment, or the first of a new level. Which of
 * the two can only be told afterwards. Until then such a value is held back from the models, and forecasts state both. A
 * spike leaves no mark then but what may come again; a new level moves all that was learnt of the old one, instead of being
 * learnt bin by bin while forecasts a day ahead still stand at the old one.
 */

const DAY = 86_400;
/** Extremes are kept of so many blocks of a day (or of {@link BLOCK} bins, where steps are long). */
const BLOCKS = 8;
const BLOCK = 24;
/** A value is wild beyond the extremes by this share of their distance. */
const BEYOND = 1;
/** A level that has hardly moved is left by this share of itself at least. */
const LEAST = 0.25;
/** So many wild values in a row, on one side, are a new level: half an hour of them, and no fewer or more than these. */
const CONFIRM = 1800;
const FEWEST_WILD = 6;
const MOST_WILD = 60;
/** So many spikes within the extremes' memory are a habit: the next one is taken as it is. */
const HABIT = 2;
/** Before so many bins (and a day) nothing is known to be wild. */
const FEWEST = 48;
/** A spike comes in with no more than this many distances of the extremes beyond them: one that recurs soon is no longer wild. */
const TAKEN = 1;
/** No suspicion is surer than this, and one below the other is none. */
const MOST = 0.9;
const UNLIKELY = 0.005;
/** For so long after a shift a value that fits the level before better than the new one is taken to be on its way back. */
const YOUNG = DAY;
/** Nothing is suspected of what was held back, once it is followed by nothing for so many times as long as confirms it. */
const SILENCE = 2;
/** Shifts and spikes are remembered as long as a fit looks back. */
const MEMORY = 28 * DAY;

export interface Held {
  label: EpochSeconds;
  value: number;
}

export interface Shift {
  /** Label of the first bin at the new level. */
  from: EpochSeconds;
  /** What was learnt of the old level moves by this much, in the series' unit. */
  delta: number;
  /** What stood at its own level meanwhile, from this label on, stays: this shift takes an earlier one back. */
  keeps?: EpochSeconds;
}

export interface Suspicion {
  delta: number;
  share: number;
  /** The least and the most that it may be. */
  least: number;
  most: number;
}

/** Follows the range of a series and holds back what is outside of it. An observation is O(1). */
export interface Shocks {
  isWild(value: number): boolean;
  /** Whether a shift is young, and `value` fits the level before it better than what is expected at the new one. */
  goesBack(label: EpochSeconds, value: number, expected: () => number): boolean;
  /** Takes a value that is usual, or that has become so. */
  see(label: EpochSeconds, value: number): void;
  /**
   * Holds a wild value back.
   * @param expected the middle of what was expected of that bin.
   * @returns the shift that it confirms; null while it may be a spike.
   */
  hold(label: EpochSeconds, value: number, expected: number): Shift | null;
  /** Values that are held back; the caller takes them, after a shift. */
  release(): Held[];
  /** A usual value came: what was held back were spikes. @returns them, bounded, in order. */
  dismiss(): Held[];
  /**
   * How demand may move by `ahead` bins from now, and how likely that is: to where the values stand that are held back, or
   * back from a new level to the one before. While data stop a suspicion ends: of a wild value after an hour or so, of a
   * young level after a day.
   * @param now label of the last bin by the clock, known or missing.
   */
  suspected(ahead: number, now: EpochSeconds): Suspicion | null;
  /** Shifts since `from`, and spikes or what may be some, for a fit that looks at the raw series. */
  since(from: EpochSeconds): { shifts: readonly Shift[]; spikes: readonly EpochSeconds[] };
}

export function createShocks(step: number): Shocks {
  const fewest = Math.max(FEWEST, DAY / step);
  const confirm = Math.min(MOST_WILD, Math.max(FEWEST_WILD, Math.ceil(CONFIRM / step)));
  const patience = SILENCE * confirm * step;
  const blockLength = Math.max(DAY, BLOCK * step);
  const lows = new Float64Array(BLOCKS).fill(Number.POSITIVE_INFINITY);
  const highs = new Float64Array(BLOCKS).fill(Number.NEGATIVE_INFINITY);
  /** The same, as the values were, whatever shifts came after them. */
  const seenLows = lows.slice();
  const seenHighs = highs.slice();
  let block = Number.NaN;
  let known = 0;
  let held: (Held & { expected: number })[] = [];
  /** Wild values since the last usual one, on either side. */
  let streak = 0;
  /** The departures of what is held, ascending. */
  let departures: number[] = [];
  /** Shifts that extremes have been moved by, the latest last. */
  let shifts: Shift[] = [];
  let undoable: Shift[] = [];
  const spikes: EpochSeconds[] = [];
  /** Stretches at a lower level that was left again for the one before. */
  let outages: { from: EpochSeconds; to: EpochSeconds; isFirst: boolean }[] = [];
  /** Runs of wild values that came to one, to two … and those that were a new level. */
  const runs = new Uint32Array(confirm);
  let levels = 0;
  /** New levels that were left again for the one before, and all that could be. */
  let returns = 0;
  let stays = 0;
  let latest = Number.NaN;

  const range = (): { low: number; high: number; margin: number } => {
    const low = Math.min(...lows);
    const high = Math.max(...highs);
    return { low, high, margin: Math.max(BEYOND * (high - low), LEAST * Math.abs(high)) };
  };
  const isWild = (value: number): boolean => {
    if (known < fewest) return false;
    const { low, high, margin } = range();
    return value > high + margin || value < low - margin;
  };
  const forget = (now: EpochSeconds): void => {
    while ((shifts[0]?.from ?? now) < now - MEMORY) shifts.shift();
    while ((spikes[0] ?? now) < now - MEMORY) spikes.shift();
    undoable = undoable.filter(({ from }) => from > now - BLOCKS * blockLength);
    outages = outages.filter(({ to }) => to > now - MEMORY);
  };
  const middle = (): number => departures[departures.length >> 1] ?? 0;
  const see = (label: EpochSeconds, value: number): void => {
    known++;
    latest = Math.max(label, Number.isNaN(latest) ? label : latest);
    const now = Math.floor(label / blockLength);
    const at = ((now % BLOCKS) + BLOCKS) % BLOCKS;
    if (now !== block) {
      // Blocks without a value have no extremes.
      const passed = Number.isNaN(block) ? BLOCKS : Math.min(BLOCKS, now - block);
      for (let k = 0; k < passed; k++) {
        const old = (at - k + BLOCKS) % BLOCKS;
        lows[old] = seenLows[old] = Number.POSITIVE_INFINITY;
        highs[old] = seenHighs[old] = Number.NEGATIVE_INFINITY;
      }
      // After a hole nothing is known to be usual.
      if (passed === BLOCKS) known = 1;
      block = now;
      forget(label);
    }
    lows[at] = Math.min(lows[at] ?? value, value);
    highs[at] = Math.max(highs[at] ?? value, value);
    seenLows[at] = Math.min(seenLows[at] ?? value, value);
    seenHighs[at] = Math.max(seenHighs[at] ?? value, value);
  };
  const move = (delta: number): void => {
    for (let k = 0; k < BLOCKS; k++) {
      lows[k] = (lows[k] ?? 0) + delta;
      highs[k] = (highs[k] ?? 0) + delta;
    }
  };
  const bridged = (): EpochSeconds[] =>
    outages.flatMap(({ from, to, isFirst }) =>
      isFirst ? Array.from({ length: Math.round((to - from) / step) }, (_, k) => from + k * step) : [],
    );
  /** The way back to a level of before, where that is where the held values are: what was learnt there fits again exactly. */
  const wayBack = (from: EpochSeconds): Shift | null => {
    let back = 0;
    for (let k = undoable.length - 1; k >= 0; k--) {
      back -= undoable[k]?.delta ?? 0;
      const away = back;
      if (!held.every(({ value }) => !isWild(value - away))) continue;
      const undone = undoable.splice(k);
      returns += undone.length;
      shifts = shifts.filter((one) => !undone.includes(one));
      const began = undone[0]?.from ?? from;
      const isOutage = back > 0 && !outages.some((one) => one.to > from - BLOCKS * blockLength);
      if (back > 0) outages.push({ from: began, to: from, isFirst: isOutage });
      // An outage that comes for the first time in a while is nothing to expect again tomorrow: it is bridged, as a spike is
      // bounded. Else what fits see is what was: both levels, each in its time.
      return isOutage ? { from, delta: back } : { from, delta: back, keeps: began };
    }
    return null;
  };
  return {
    isWild,
    see,
    goesBack(label, value, expected) {
      const last = undoable.at(-1);
      if (last === undefined || label - last.from > YOUNG) return false;
      const off = value - expected();
      return Math.abs(off + last.delta) < Math.abs(off);
    },
    hold(label, value, expected) {
      forget(label);
      const side = Math.sign(value - expected);
      const first = held[0];
      const isOld = label - (held.at(-1)?.label ?? label) > patience;
      // On the other side, or after a silence: another story, which has to last by itself.
      if (isOld) streak = 0;
      if (first !== undefined && (isOld || Math.sign(first.value - first.expected) !== side)) {
        spikes.push(...held.map((one) => one.label));
        held = [];
      }
      held.push({ label, value, expected });
      departures = held.map((one) => one.value - one.expected).sort((one, other) => one - other);
      runs[held.length - 1] = (runs[held.length - 1] ?? 0) + 1;
      streak++;
      // Now above, now below, and never as usual: that is what this series is like now, and no level to move to.
      if (streak >= 2 * confirm && held.length < confirm) {
        streak = 0;
        return { from: held[0]?.label ?? label, delta: 0 };
      }
      if (held.length < confirm) return null;
      levels++;
      streak = 0;
      const from = held[0]?.label ?? label;
      const back = wayBack(from);
      const shift = back ?? { from, delta: middle() };
      if (back === null) {
        shifts.push(shift);
        undoable.push(shift);
        stays++;
      }
      move(shift.delta);
      if (undoable.length === 0) {
        lows.set(seenLows);
        highs.set(seenHighs);
      }
      return shift;
    },
    release() {
      const released = held.map(({ label, value }) => ({ label, value }));
      held = [];
      return released;
    },
    dismiss() {
      if (held.length === 0) return [];
      const { low, high, margin } = range();
      const lately = spikes.filter((one) => one > latest - BLOCKS * blockLength).length;
      const far = lately >= HABIT ? Number.POSITIVE_INFINITY : (TAKEN / BEYOND) * margin;
      const dismissed = held.map(({ label, value }) => ({
        label,
        value: Math.max(low - far, Math.min(high + far, value)),
      }));
      spikes.push(...dismissed.map(({ label }) => label));
      held = [];
      streak = 0;
      for (const { label, value } of dismissed) see(label, value);
      return dismissed;
    },
    suspected(ahead, now) {
      if (held.length > 0) {
        if (now - (held.at(-1)?.label ?? now) > patience) return null;
        // One in three of the first wild values is taken to stay, one in two of the second ones and so on, until this series
        // has shown how it is.
        const run = held.length;
        const share = (levels + run) / ((runs[run - 1] ?? 1) - 1 + run + 2);
        const least = departures[0] ?? 0;
        const top = departures.at(-1) ?? 0;
        // On a ramp the next one goes as far again.
        const growth = (top - least) / run;
        return {
          delta: middle(),
          share: Math.min(MOST, share),
          least: top > 0 ? least : least - growth,
          most: top > 0 ? top + growth : top,
        };
      }
      const last = undoable.at(-1);
      if (last === undefined || now - latest > YOUNG) return null;
      // What has lasted for n bins lasts for h more in n of n + h cases where nothing else is known (Lindy's law); and one
      // new level in three is taken to be left at all.
      const lasted = (latest - last.from) / step + 1;
      const share = ((returns + 1) / (stays + 2)) * (ahead / (ahead + lasted));
      const delta = -last.delta;
      return share < UNLIKELY ? null : { delta, share: Math.min(MOST, share), least: delta, most: delta };
    },
    since: (from) => ({
      shifts: shifts.filter((one) => one.from >= from),
      spikes: [...spikes, ...bridged(), ...held.map(({ label }) => label)].filter((one) => one >= from),
    }),
  };
}

/** A quantile of demand where all of it is moved, from the quantiles of what is expected. */
export function movedAt({ delta, least, most }: Suspicion, read: (level: number) => number, level: number): number {
  const by = level < 0.5 ? least + 2 * level * (delta - least) : delta + (2 * level - 1) * (most - delta);
  return read(level) + by;
}

/**
 * The quantiles of "as expected, or with `share` all of it moved by `delta`", into `out`.
 * @param read a quantile of what is expected, at any level in (0, 1).
 */
export function statesBoth(
  levels: readonly number[],
  suspicion: Suspicion,
  read: (level: number) => number,
  out: Float64Array,
): void {
  const { delta, share } = suspicion;
  const expected = (inner: number): number => read(Math.max(1e-4, Math.min(1 - 1e-4, inner)));
  const moved = (inner: number): number => movedAt(suspicion, expected, inner);
  // The lower of the two first: far apart as they are, levels up to its share are its own.
  const [lower, upper, first] = delta < 0 ? [moved, expected, share] : [expected, moved, 1 - share];
  levels.forEach((level, l) => {
    out[l] = Math.max(0, level <= first ? lower(level / first) : upper((level - first) / (1 - first)));
  });
}
