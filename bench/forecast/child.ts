import { readFileSync } from 'node:fs';
import { loadGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { bytesOf, writeWhole, type Cost } from './cache.js';
import { forecastHeadroom } from './headroom.js';
import { jobSchema, seriesOf } from './job.js';
import { persistence, seasonalNaive, type Naive } from './naive.js';

/*
 * One series by one method, in a process of its own, so that its memory is its own: `node child.js JOB.json`.
 */

const job = jobSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
const series = seriesOf(job);

function naively(method: Naive): { quantiles: Float64Array; cost: Pick<Cost, 'fits' | 'cycle'> } {
  const quantiles = new Float64Array(job.origins.length * job.aheads * job.levels.length);
  job.origins.forEach((origin, o) => {
    quantiles.set(method(series, origin, job.aheads, job.levels), o * job.aheads * job.levels.length);
  });
  return { quantiles, cost: { fits: [], cycle: null } };
}

function make(): { quantiles: Float64Array; cost: Pick<Cost, 'fits' | 'cycle'> } {
  switch (job.method) {
    case 'persistence':
      return naively(persistence);
    case 'seasonal naive':
      return naively(seasonalNaive);
    case 'headroom':
    case 'headroom alone': {
      const globals = job.globals.map((file) => loadGlobalBooster(readFileSync(file)));
      return forecastHeadroom(series, job.origins, job.aheads, job.levels, globals);
    }
  }
}

const made = make();
const cost: Cost = { ...made.cost, memory: process.resourceUsage().maxRSS * 1024 };
writeWhole(`${job.out}.f64`, bytesOf(made.quantiles));
// Last, since its presence says that the forecasts are whole.
writeWhole(`${job.out}.json`, JSON.stringify(cost));
