import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { WORKLOAD_CLASSES, type WorkloadClass } from '../behavior/classes/class.js';
import { CLASS_FEATURES } from '../behavior/classes/features.js';
import { classify, GROWTH, growForest, readForest, type Forest } from '../behavior/classes/forest.js';
import { calendarOf } from '../forecast/calendar.js';
import type { UsageSeries } from '../telemetry/port.js';
import { PACKAGE_ROOT } from '../temporal/home.js';
import { packageVersion } from './version.js';

/*
 * The forest of workload classes is no source: it is grown from seeds by `make setup`, in seconds, and stands beside what
 * else was built. The same sources grow the same forest.
 */

const PATH = join(PACKAGE_ROOT, 'dist', 'workload-classes.json');
/** What decides how it grows: the compiled sources, as far as they are there. */
const GROWN_BY = [
  ...[
    'classes/examples',
    'classes/features',
    'classes/forest',
    'tasks/find',
    'tasks/pulses',
    'tasks/periods',
    'median',
  ],
];

const fileSchema = z.object({ source: z.string(), forest: z.unknown() });

async function sourceName(): Promise<string> {
  const hash = createHash('sha256').update(
    JSON.stringify([GROWTH, WORKLOAD_CLASSES, CLASS_FEATURES, packageVersion()]),
  );
  for (const name of GROWN_BY) {
    const file = join(PACKAGE_ROOT, 'dist', 'src', 'behavior', `${name}.js`);
    hash.update(await readFile(file).catch(() => ''));
  }
  return hash.digest('hex').slice(0, 16);
}

/** The forest as it was grown; null where it is not, or by other sources. */
export async function findForest(): Promise<Forest | null> {
  const text = await readFile(PATH, 'utf8').catch(() => null);
  if (text === null) return null;
  const { source, forest } = fileSchema.parse(JSON.parse(text));
  return source === (await sourceName()) ? readForest(forest) : null;
}

/** The forest; grown, which takes seconds, where it is not there. */
export async function forestOf(say: (line: string) => void): Promise<Forest> {
  const known = await findForest();
  if (known !== null) return known;
  say('growing the forest of workload classes, once …');
  const forest = growForest();
  await mkdir(dirname(PATH), { recursive: true });
  const draft = `${PATH}.${process.pid}`;
  await writeFile(draft, JSON.stringify({ source: await sourceName(), forest }));
  await rename(draft, PATH);
  return forest;
}

/** Tells classes by the grown forest, which is read once; null of every series where there is none. */
export function createClassifier(): (one: UsageSeries, timeZone: string) => Promise<WorkloadClass | null> {
  let forest: Promise<Forest | null> | null = null;
  return async ({ component, series }, timeZone) => {
    forest ??= findForest();
    const grown = await forest.catch(() => null);
    return grown === null ? null : (classify(grown, series, calendarOf(timeZone), component)?.class ?? null);
  };
}
