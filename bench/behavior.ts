/*
 * How well kinds of workloads and scheduled tasks are told, on synthetic series that no forest was grown from:
 * `node dist/bench/behavior.js`. Prints JSON.
 */
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
      cpuSeconds: { growing: grown.seconds, featuresOfASeries: held.seconds / held.result.rows.length },
    },
    null,
    2,
  )}\n`,
);
