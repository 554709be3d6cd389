import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { writeWhole } from './cache.js';
import { seriesOf } from './job.js';
import { CHOSEN, FITTED, SEED, TIME_ZONE } from './setting.js';
import { stopwatch } from './stopwatch.js';

/*
 * The product's global model, trained once for all series, in a process of its own: `node train.js JOB.json`. Its trees
 * learn from the first 60 % of each series and stop by the next 10 %; the rest is never shown to it.
 */

const job = z
  .object({
    series: z.array(z.object({ values: z.string(), start: z.number(), step: z.number() })),
    out: z.string(),
  })
  .parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
const watch = stopwatch();
const bytes = trainGlobalBooster(
  job.series.map((one) => {
    const { values, ...grid } = seriesOf(one);
    return { ...grid, values: values.subarray(0, Math.floor(CHOSEN * values.length)), timeZone: TIME_ZONE };
  }),
  { seed: SEED, validation: 1 - FITTED / CHOSEN },
);
writeWhole(`${job.out}.bin`, bytes);
writeWhole(`${job.out}.json`, JSON.stringify({ seconds: watch(), memory: process.resourceUsage().maxRSS * 1024 }));
