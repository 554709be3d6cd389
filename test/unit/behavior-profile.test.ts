import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { betaCdf, betaQuantile, gammaCdf, gammaQuantile } from '../../src/behavior/distributions.js';
import type { BehaviorRow } from '../../src/behavior/events.js';
import { createProfile, peersOf } from '../../src/behavior/profile/profile.js';
import { HOUR, MONDAY, office, randomOf, row, simulate, WEEK } from './behavior-world.js';

const OPERATIONS = [
  { name: 'query', peak: 400, group: 'analysts' },
  { name: 'export', peak: 12, group: 'analysts', dispersion: 4 },
  { name: 'login', peak: 60, group: 'staff' },
];

describe('quantiles of the Gamma and the Beta', () => {
  it.each([
    { name: 'an exponential', got: gammaQuantile(0.95, 1, 2), want: -Math.log(0.05) / 2 },
    { name: 'an Erlang of two', got: gammaCdf(2, 3), want: 1 - 4 * Math.exp(-3) },
    { name: 'a uniform', got: betaQuantile(0.3, 1, 1), want: 0.3 },
    { name: 'a power', got: betaQuantile(0.5, 3, 1), want: 0.5 ** (1 / 3) },
    { name: 'no weight on one side', got: betaQuantile(0.5, 0, 2), want: 0 },
  ])('$name', ({ got, want }) => expect(got).toBeCloseTo(want, 6));

  it('are the inverse of the distribution, over eight orders of magnitude', () => {
    const shape = fc.double({ min: -4, max: 4, noNaN: true }).map((power) => 10 ** power);
    const p = fc.double({ min: 0.01, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(shape, p, (a, level) => {
        const x = gammaQuantile(level, a, 1);
        // Below the smallest number that is one there is nothing to invert.
        if (x > 1e-290) expect(gammaCdf(a, x)).toBeCloseTo(level, 5);
      }),
      { seed: 5, numRuns: 200 },
    );
    fc.assert(
      fc.property(shape, shape, p, (a, b, level) => {
        const x = betaQuantile(level, a, b);
        if (x > 1e-12 && x < 1 - 1e-12) expect(betaCdf(a, b, x)).toBeCloseTo(level, 4);
      }),
      { seed: 5, numRuns: 200 },
    );
  });
});

describe('rates by operation and hour of week', () => {
  it('hold the counts of the coming week as often as they say: else an operator is alarmed by ordinary days', () => {
    const rows = simulate(OPERATIONS, { hours: 4 * 168, seed: 11 });
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add(rows.filter(({ at }) => at < MONDAY + 3 * WEEK));
    profile.close(MONDAY + 3 * WEEK);
    let inside = 0;
    let all = 0;
    for (let at = MONDAY + 3 * WEEK; at < MONDAY + 4 * WEEK; at += HOUR) {
      for (const { operation, count, mean, low, high } of profile.rates({ at })) {
        if (operation === null) continue;
        const came = rows.find((one) => one.at === at && one.name === operation)?.events ?? 0;
        expect(low).toBeLessThanOrEqual(mean);
        expect(high).toBeGreaterThanOrEqual(mean);
        all += 1;
        if (came >= count.low && came <= count.high) inside += 1;
      }
    }
    expect(inside / all).toBeGreaterThan(0.87);
    expect(inside / all).toBeLessThan(0.985);
  });

  it('come close to the truth, and tell the morning from the night', () => {
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add(simulate(OPERATIONS, { hours: 6 * 168, seed: 3 }));
    for (const hour of [11, 15, 24 + 3, 5 * 24 + 11]) {
      const at = MONDAY + 6 * WEEK + hour * HOUR;
      const query = profile.rates({ at }).find(({ operation }) => operation === 'query');
      expect(query?.mean).toBeGreaterThan(400 * office(at) * 0.85 - 3);
      expect(query?.mean).toBeLessThan(400 * office(at) * 1.15 + 3);
    }
  });

  it('follow the clock of the account: nine is nine in Berlin, also after the clocks went forward', () => {
    const profile = createProfile({ timeZone: 'Europe/Berlin' });
    // 2026-03-02 to 2026-03-28 in winter time: nine o'clock is 08:00 UTC.
    const winter = Date.UTC(2026, 2, 2) / 1000;
    const rows: BehaviorRow[] = [];
    for (let day = 0; day < 27; day++) rows.push(row({ at: winter + day * 86_400 + 8 * HOUR, events: 50 }));
    profile.add(rows);
    const summer = Date.UTC(2026, 3, 1) / 1000;
    const at = (hour: number): number => profile.rates({ at: summer + hour * HOUR })[0]?.mean ?? 0;
    expect(at(7)).toBeGreaterThan(30);
    expect(at(8)).toBeLessThan(5);
  });

  it('of an account that nobody knows are borrowed from its group, and wide; its own counts then decide', () => {
    const teachers = [21, 22, 23].map((seed) => {
      const teacher = createProfile({ timeZone: 'UTC' });
      teacher.add(simulate(OPERATIONS, { hours: 4 * 168, seed, scale: seed - 20 }));
      return teacher.lend();
    });
    const at = MONDAY + 4 * WEEK + 11 * HOUR;
    const alone = createProfile({ timeZone: 'UTC' });
    const pupil = createProfile({ timeZone: 'UTC' }, peersOf(teachers));
    // One morning hour of its own, of the smallest size.
    const first = [row({ at: at - HOUR, name: 'query', group: 'analysts', events: 35 })];
    alone.add(first);
    pupil.add(first);
    alone.close(at);
    pupil.close(at);
    const night = at + 16 * HOUR;
    const queries = (profile: typeof alone, when: number) =>
      profile.rates({ at: when }).find(({ operation }) => operation === 'query');
    // Alone it expects the night to be as the morning was; its peers know better.
    expect(queries(alone, night)?.mean).toBeGreaterThan(15);
    expect(queries(pupil, night)?.mean).toBeLessThan((queries(pupil, at)?.mean ?? 0) / 4);
    const wide = queries(pupil, at);
    expect((wide?.high ?? 0) / (wide?.mean ?? 1)).toBeGreaterThan(1.5);

    pupil.add(simulate(OPERATIONS, { from: at + HOUR, hours: 3 * 168, seed: 9, scale: 0.1 }));
    const sure = queries(pupil, at + 4 * WEEK);
    expect(sure?.mean).toBeGreaterThan(30);
    expect(sure?.mean).toBeLessThan(50);
    expect((sure?.high ?? 0) / (sure?.mean ?? 1)).toBeLessThan(1.5);
  });

  it('of a group are its own', () => {
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add(simulate(OPERATIONS, { hours: 3 * 168, seed: 5 }));
    const at = MONDAY + 3 * WEEK + 11 * HOUR;
    const names = profile.rates({ at, group: 'staff' }).map(({ operation }) => operation);
    expect(names).toEqual([null, 'login']);
    expect(profile.groups().map(({ group }) => group)).toEqual(['analysts', 'staff']);
  });

  it('a door that nobody listened at for three days is no quiet: the rates stay', () => {
    const rows = simulate(OPERATIONS, { hours: 4 * 168, seed: 7 });
    const [from, to] = [MONDAY + 3 * WEEK, MONDAY + 3 * WEEK + 3 * 86_400];
    const whole = createProfile({ timeZone: 'UTC' });
    const holed = createProfile({ timeZone: 'UTC' });
    whole.add(rows);
    holed.add(rows.filter(({ at }) => at < from || at >= to));
    const at = MONDAY + 4 * WEEK + 11 * HOUR;
    const mean = (profile: typeof whole): number => profile.rates({ at })[0]?.mean ?? 0;
    expect(mean(holed) / mean(whole)).toBeGreaterThan(0.9);
    expect(holed.seen()?.hours ?? 0).toBeLessThan((whole.seen()?.hours ?? 0) - 50);
  });

  it('what only its day is known of is spread as the day is', () => {
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add(simulate(OPERATIONS, { hours: 2 * 168, seed: 2 }));
    const days = Array.from({ length: 14 }, (_, day) =>
      row({ at: MONDAY + 2 * WEEK + day * 86_400, width: 86_400, name: 'audit', events: 240 }),
    );
    profile.add([...days, ...simulate(OPERATIONS, { from: MONDAY + 2 * WEEK, hours: 2 * 168, seed: 8 })]);
    const audit = (hour: number): number =>
      profile.rates({ at: MONDAY + 4 * WEEK + hour * HOUR }).find(({ operation }) => operation === 'audit')?.mean ?? 0;
    expect(audit(11)).toBeGreaterThan(5 * audit(3));
  });
});

describe('what follows what', () => {
  const step = (from: string, to: string, events: number, at = MONDAY): BehaviorRow =>
    row({ at, kind: 'transition', name: from, detail: to, events });

  it('shares with intervals that hold them, the likeliest first, summing to one', () => {
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add([step('login', 'query', 70), step('login', 'export', 20), step('login', 'logout', 10)]);
    profile.close(MONDAY + HOUR);
    const next = profile.next('login');
    expect(next.map(({ operation }) => operation)).toEqual(['query', 'export', 'logout']);
    expect(next.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9);
    expect(next[0]?.low).toBeLessThan(0.7);
    expect(next[0]?.high).toBeGreaterThan(0.7);
  });

  it('of an operation that was never seen here: as elsewhere, and wide', () => {
    const other = createProfile({ timeZone: 'UTC' });
    other.add([step('report', 'export', 900), step('report', 'mail', 100)]);
    other.close(MONDAY + HOUR);
    const profile = createProfile({ timeZone: 'UTC' }, peersOf([other.lend()]));
    const [first] = profile.next('report');
    expect(first).toMatchObject({ operation: 'export' });
    expect(first?.probability).toBeCloseTo(0.9, 6);
    expect((first?.high ?? 0) - (first?.low ?? 0)).toBeGreaterThan(0.3);
    expect(createProfile({ timeZone: 'UTC' }).next('report')).toEqual([]);
  });
});

describe('the prefetch list', () => {
  /** `sales` at nine on weekdays, `hot` in nine hours of ten, `rare` now and then; read by the hour. */
  function readings(weeks: number, seed: number): BehaviorRow[] {
    const { uniform } = randomOf(seed);
    const rows: BehaviorRow[] = [];
    const chance = (name: string, hour: number, day: number): number => {
      if (name === 'sales') return hour === 9 && day < 5 ? 0.95 : 0.01;
      if (name === 'hot') return 0.9;
      return Number(name.slice(1)) / 100;
    };
    const names = ['sales', 'hot', ...Array.from({ length: 20 }, (_, index) => `d${index}`)];
    for (let hour = 0; hour < weeks * 168; hour++) {
      for (const detail of names) {
        if (uniform() < chance(detail, hour % 24, Math.floor(hour / 24) % 7)) {
          rows.push(row({ at: MONDAY + hour * HOUR, detail, events: 3 }));
        }
      }
    }
    return rows;
  }

  it('knows the hour: a data set of nine o’clock leads at nine and is not fetched at ten', () => {
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add(readings(5, 1));
    profile.close(MONDAY + 5 * WEEK);
    const at = (hour: number) =>
      profile
        .prefetch({ at: MONDAY + 5 * WEEK + hour * HOUR, atLeast: 0, most: 100 })
        .find(({ dataSet }) => dataSet === 'sales');
    expect(at(9)?.probability).toBeGreaterThan(0.7);
    expect(at(10)?.probability).toBeLessThan(0.15);
    expect(at(5 * 24 + 9)?.probability).toBeLessThan(0.4);
    expect(profile.prefetch({ at: MONDAY + 5 * WEEK + 9 * HOUR })[0]?.probability).toBeGreaterThan(0.7);
  });

  it('a probability is one: of what is said with 80 to 100 % eight to ten of ten are read', () => {
    const rows = readings(6, 4);
    const profile = createProfile({ timeZone: 'UTC' });
    const groups = Array.from({ length: 5 }, () => ({ said: 0, read: 0, count: 0 }));
    let next = 0;
    for (let hour = 0; hour < 6 * 168; hour++) {
      const at = MONDAY + hour * HOUR;
      profile.close(at);
      if (hour >= 3 * 168) {
        const list = profile.prefetch({ at, atLeast: 0, most: 100 });
        const read = new Set(rows.filter((one) => one.at === at).map(({ detail }) => detail));
        for (const { dataSet, probability } of list) {
          const group = groups[Math.min(4, Math.floor(probability * 5))];
          if (group === undefined) continue;
          group.said += probability;
          group.read += read.has(dataSet) ? 1 : 0;
          group.count += 1;
        }
      }
      const rest = rows.findIndex((one, index) => index >= next && one.at > at);
      const end = rest < 0 ? rows.length : rest;
      profile.add(rows.slice(next, end));
      next = end;
    }
    for (const { said, read, count } of groups) {
      if (count > 50) expect(Math.abs(said - read) / count).toBeLessThan(0.05);
    }
  });

  it('runs: what was read an hour ago is more likely than its hour of the week says', () => {
    const { uniform } = randomOf(8);
    const rows: BehaviorRow[] = [];
    let busy = false;
    for (let hour = 0; hour < 5 * 168; hour++) {
      busy = uniform() < (busy ? 0.9 : 0.03);
      if (busy) rows.push(row({ at: MONDAY + hour * HOUR, detail: 'project' }));
    }
    const chance = (readLast: boolean): number => {
      const profile = createProfile({ timeZone: 'UTC' });
      profile.add(rows);
      const at = MONDAY + 5 * WEEK;
      if (readLast) profile.add([row({ at: at - HOUR, detail: 'project' })]);
      profile.close(at);
      return profile.prefetch({ at, atLeast: 0 })[0]?.probability ?? 0;
    };
    const kept = rows.pop();
    while (rows.length > 0 && (rows.at(-1)?.at ?? 0) >= MONDAY + 5 * WEEK - 3 * HOUR) rows.pop();
    expect(kept).toBeDefined();
    expect(chance(true)).toBeGreaterThan(0.6);
    expect(chance(false)).toBeLessThan(0.4);
  });
});

describe('what is kept', () => {
  it('goes on from its state as if it had never been written down', () => {
    const rows = simulate(OPERATIONS, { hours: 3 * 168, seed: 6 });
    const half = MONDAY + 2 * WEEK;
    const straight = createProfile({ timeZone: 'UTC' });
    straight.add(rows);
    const first = createProfile({ timeZone: 'UTC' });
    first.add(rows.filter(({ at }) => at < half));
    first.close(half);
    const state: unknown = JSON.parse(JSON.stringify(first.state()));
    const second = createProfile({ timeZone: 'UTC' }, undefined, state);
    second.add(rows.filter(({ at }) => at >= half));
    const at = MONDAY + 3 * WEEK + 11 * HOUR;
    const means = (profile: typeof first) => profile.rates({ at }).map(({ mean }) => mean);
    means(second).forEach((mean, index) => {
      expect(mean / (means(straight)[index] ?? Number.NaN)).toBeCloseTo(1, 1);
    });
    expect(second.seen()?.from).toBe(straight.seen()?.from);
  });

  it('is bounded, however many labels come', () => {
    const profile = createProfile({ timeZone: 'UTC' });
    for (let batch = 0; batch < 10; batch++) {
      const rows = Array.from({ length: 400 }, (_, index) => {
        const label = `${batch}-${index}`;
        return row({ at: MONDAY + batch * HOUR, name: label, detail: `set ${label}`, group: `group ${label}` });
      });
      const steps = Array.from({ length: 400 }, (_, index) =>
        row({ at: MONDAY + batch * HOUR, kind: 'transition', name: `${batch}-${index}`, detail: 'query' }),
      );
      profile.add([...rows, ...steps]);
    }
    profile.close(MONDAY + 10 * HOUR);
    expect(profile.rates({ at: MONDAY }).length).toBeLessThanOrEqual(129);
    expect(profile.groups().length).toBeLessThanOrEqual(16);
    expect(profile.prefetch({ at: MONDAY, most: 10_000, atLeast: 0 }).length).toBeLessThanOrEqual(512);
    expect(JSON.stringify(profile.state()).length).toBeLessThan(1_000_000);
    // Nothing of the amount is lost with the labels.
    expect(profile.rates({ at: MONDAY + 9 * HOUR })[0]?.mean).toBeGreaterThan(200);
  });

  it.each([
    { name: 'another version', state: { version: 2 } },
    { name: 'nothing', state: null },
    { name: 'an hour that no week has', state: 'hour' },
  ])('$name is refused, and nothing is made of it', ({ state }) => {
    const good = createProfile({ timeZone: 'UTC' }).state();
    const given = state === 'hour' ? { ...good, exposure: [168, 1] } : state;
    expect(() => createProfile({ timeZone: 'UTC' }, undefined, given)).toThrow(/build it anew/);
  });

  it('late rows count, rows from before the first hour do not', () => {
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add([row({ at: MONDAY + 10 * HOUR, events: 100 })]);
    profile.close(MONDAY + 20 * HOUR);
    const before = profile.rates({ at: MONDAY + 10 * HOUR })[0]?.mean ?? 0;
    profile.add([row({ at: MONDAY + 10 * HOUR, events: 100 })]);
    const after = profile.rates({ at: MONDAY + 10 * HOUR })[0]?.mean ?? 0;
    expect(after).toBeGreaterThan(before * 1.5);
    profile.add([row({ at: MONDAY - WEEK, events: 1000 })]);
    expect(profile.rates({ at: MONDAY + 10 * HOUR })[0]?.mean).toBe(after);
  });
});
