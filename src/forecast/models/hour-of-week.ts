import type { EpochSeconds } from '../../domain/time.js';
import type { Model, ModelContext, ModelEntry } from './model.js';

/*
 * Bayes by the hour of the local week: each of the 168 slots is a normal with unknown mean and precision (conjugate
 * normal-gamma prior), whose prior mean is that of its hour of the day, whose own prior is the overall mean. How far a
 * slot is believed against its hour, and an hour against the whole, follows from the data: the spread within slots
 * against that between them (empirical Bayes; Gelman et al., Bayesian Data Analysis, ch. 5). After one day it is a
 * profile of the day, after some weeks one of the week, and nothing has to be switched.
 */

const DAY = 86_400;
const HOUR = 3600;
const DAYS = 7;
const HOURS = 24;
const SLOTS = DAYS * HOURS;
/** Visits (an hour each) fade with this half-life. */
const HALF_LIFE_HOURS = 6 * 7 * HOURS;
/** The gamma prior of a slot's precision: worth so many visits of the pooled spread. */
const SPREAD_VISITS = 2;
/** One value counts as no further than so many mean departures from the overall mean. */
const WILD = 8;

export const hourOfWeek: ModelEntry = {
  name: 'hour-of-week',
  create: (context): Model | null => (context.step > DAY / 4 ? null : createHourOfWeek(context)),
};

function createHourOfWeek({ step, calendar }: ModelContext): Model {
  /** By slot: evidence in visits, their mean, and the sum of squared departures from it. */
  const visits = new Float64Array(SLOTS);
  const means = new Float64Array(SLOTS);
  const squares = new Float64Array(SLOTS);
  const posterior = new Float64Array(SLOTS);
  const visit = Math.min(1, step / HOUR);
  const growth = 2 ** (visit / HALF_LIFE_HOURS);
  const refreshEvery = Math.max(1, Math.round(HOUR / step));
  let unit = visit;
  let known = 0;
  let mean = 0;
  let spread = 0;

  const slotOf = (label: EpochSeconds): number => Math.min(SLOTS - 1, Math.floor(calendar.secondOfWeek(label) / HOUR));

  const renormalise = (): void => {
    const factor = visit / unit;
    for (let s = 0; s < SLOTS; s++) {
      visits[s] = (visits[s] ?? 0) * factor;
      squares[s] = (squares[s] ?? 0) * factor;
    }
    unit = visit;
  };

  /** Posterior means of all slots; evidence is counted in visits of now. */
  const refresh = (): void => {
    const scale = visit / unit;
    const evidence = (s: number): number => (visits[s] ?? 0) * scale;
    let total = 0;
    let within = 0;
    let overall = 0;
    for (let s = 0; s < SLOTS; s++) {
      total += evidence(s);
      within += (squares[s] ?? 0) * scale;
      overall += evidence(s) * (means[s] ?? 0);
    }
    overall /= total;
    const pooled = within / total;
    // Of the hours: their means and evidence, then the spread between them, less what chance puts there.
    const hourVisits = new Float64Array(HOURS);
    const hourMeans = new Float64Array(HOURS);
    for (let s = 0; s < SLOTS; s++) {
      const hour = s % HOURS;
      hourVisits[hour] = (hourVisits[hour] ?? 0) + evidence(s);
      hourMeans[hour] = (hourMeans[hour] ?? 0) + evidence(s) * (means[s] ?? 0);
    }
    let between = 0;
    let hours = 0;
    let ofDays = 0;
    let slots = 0;
    for (let hour = 0; hour < HOURS; hour++) {
      const seen = hourVisits[hour] ?? 0;
      if (seen === 0) continue;
      hourMeans[hour] = (hourMeans[hour] ?? 0) / seen;
      between += ((hourMeans[hour] ?? 0) - overall) ** 2 - pooled / seen;
      hours++;
      for (let day = 0; day < DAYS; day++) {
        const s = day * HOURS + hour;
        if (evidence(s) === 0) continue;
        ofDays += ((means[s] ?? 0) - (hourMeans[hour] ?? 0)) ** 2 - pooled / evidence(s);
        slots++;
      }
    }
    const least = 1e-9 * (pooled + overall ** 2) + Number.MIN_VALUE;
    const hourVariance = Math.max(least, between / Math.max(1, hours));
    const dayVariance = Math.max(least, ofDays / Math.max(1, slots));
    for (let s = 0; s < SLOTS; s++) {
      const hour = s % HOURS;
      const believedHour = (hourVisits[hour] ?? 0) / ((hourVisits[hour] ?? 0) + pooled / hourVariance);
      const hourly = overall + believedHour * ((hourMeans[hour] ?? 0) - overall);
      // The slot's own spread, drawn to the pooled one: a slot that jumps about is believed less.
      const seen = evidence(s);
      const own = ((squares[s] ?? 0) * scale + SPREAD_VISITS * pooled) / (seen + SPREAD_VISITS);
      const believed = seen / (seen + own / dayVariance || 1);
      posterior[s] = hourly + believed * ((means[s] ?? 0) - hourly);
    }
  };

  return {
    name: 'hour-of-week',
    observe(label, value) {
      known++;
      const rate = Math.max(1 / known, 1 - 2 ** (-1 / Math.max(24, (2 * DAY) / step)));
      const departure = value - mean;
      const bounded =
        known > 24 && spread > 0 ? Math.max(-WILD * spread, Math.min(WILD * spread, departure)) : departure;
      const taken = mean + bounded;
      mean += rate * bounded;
      spread += rate * (Math.abs(known === 1 ? 0 : bounded) - spread);
      // Later visits weigh more, which is the same as earlier ones fading.
      unit *= growth;
      const slot = slotOf(label);
      const evidence = (visits[slot] ?? 0) + unit;
      const error = taken - (means[slot] ?? 0);
      visits[slot] = evidence;
      means[slot] = (means[slot] ?? 0) + (unit / evidence) * error;
      squares[slot] = (squares[slot] ?? 0) + unit * error * (taken - (means[slot] ?? 0));
      if (unit > 1e6 * visit) renormalise();
      if (known < 3 || known % refreshEvery === 0) refresh();
    },
    move(delta) {
      mean += delta;
      for (let s = 0; s < SLOTS; s++) {
        if ((visits[s] ?? 0) > 0) means[s] = (means[s] ?? 0) + delta;
        posterior[s] = (posterior[s] ?? 0) + delta;
      }
    },
    predict(target) {
      if (known === 0) return Number.NaN;
      // Between the middles of two slots: hours don't jump.
      const at = calendar.secondOfWeek(target) / HOUR + Math.min(step / HOUR, 1) / 2 - 0.5;
      const before = Math.floor(at);
      const low = posterior[(before + SLOTS) % SLOTS] ?? 0;
      const high = posterior[(before + 1) % SLOTS] ?? 0;
      return Math.max(0, low + (at - before) * (high - low));
    },
  };
}
