/*
 * How well kinds of workloads and scheduled tasks are told, on synthetic series that no forest was grown from:
 * `node dist/bench/behavior.js`. Prints JSON.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { WORKLOAD_CLASSES } from '../src/behavior/classes/class.js';
import { exampleOf } from '../src/behavior/classes/examples.js';
import { exampleFeatures, growForest, votesOf } from '../src/behavior/classes/forest.js';
import { findTasks } from '../src/behavior/tasks/find.js';
import { calendarOf } from '../src/forecast/calendar.js';

const SEED = 99;
const EACH = 100;

const cpu = <T>(work: () => T): { result: T; seconds: number } => {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return { result, seconds: (user + system) / 1e6 };
};

const grown = cpu(() => growForest());
const held = cpu(() => exampleFeatures(SEED, EACH));
const confusion = WORKLOAD_CLASSES.map(() => new Array<number>(WORKLOAD_CLASSES.length).fill(0));
let right = 0;
let stated = 0;
held.result.rows.forEach((row, index) => {
  const votes = votesOf(grown.result, row);
  const best = votes.indexOf(Math.max(...votes));
  const label = held.result.labels[index] ?? 0;
  const line = confusion[label];
  if (line !== undefined) line[best] = (line[best] ?? 0) + 1;
  if (best === label) right += 1;
  stated += votes[best] ?? 0;
});
const tasks = Object.fromEntries(
  (['steady', 'daily', 'bursty', 'growing', 'batch'] as const).map((of) => {
    const found = Array.from({ length: EACH }, (_, index) =>
      findTasks(exampleOf(of, SEED * 1_000_000 + index).series, calendarOf('UTC')),
    );
    return [of, found.filter((one) => one.length > 0).length / EACH];
  }),
);
/** Counts of what people do, by day and by chance: a schedule in them is none. */
const COUNTS = [900, 3600].flatMap((step) =>
  [0.1, 0.3, 1, 3].flatMap((mean) => [0, 0.9].map((cycle) => ({ step, mean, cycle }))),
);
const EACH_COUNT = 20;
const ghosts = COUNTS.reduce((sum, { step, mean, cycle }, which) => {
  const found = Array.from({ length: EACH_COUNT }, (_, index) => {
    const random = xoroshiro128plus(SEED * 1_000_000 + which * 1000 + index);
    const values = Float64Array.from({ length: (28 * 86_400) / step }, (_unused, bin) => {
      const limit = Math.exp(-mean * (1 + cycle * Math.sin((2 * Math.PI * bin * step) / 86_400)));
      let count = 0;
      for (let product = uniformFloat64(random); product > limit; count++) product *= uniformFloat64(random);
      return count;
    });
    return findTasks({ start: 0, step, values, censored: new Uint8Array(values.length) }, calendarOf('UTC')).length;
  });
  return sum + found.filter((one) => one > 0).length;
}, 0);
process.stdout.write(
  `${JSON.stringify(
    {
      kinds: {
        series: held.result.rows.length,
        accuracy: right / held.result.rows.length,
        meanProbability: stated / held.result.rows.length,
        classes: WORKLOAD_CLASSES,
        confusion,
      },
      seriesWithTasks: tasks,
      countsWithTasks: { found: ghosts, of: COUNTS.length * EACH_COUNT },
      cpuSeconds: { growing: grown.seconds, featuresOfASeries: held.seconds / held.result.rows.length },
    },
    null,
    2,
  )}\n`,
);
