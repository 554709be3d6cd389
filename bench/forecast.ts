import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { allMethods, isMade, readMade, type Task } from './forecast/methods.js';
import { resultsOf, tableOf, writeDocument, type Scored } from './forecast/report.js';
import { score } from './forecast/score.js';
import { CHOSEN, HORIZONS, ORIGINS, stepsOf } from './forecast/setting.js';
import { originsOf, readTraces } from './forecast/traces.js';
import { checkoutRoot, writeResults } from './result.js';

/*
 * Forecasts of real traces beside the best Python libraries, scored alike: `make bench-forecast` (TRACES=folder). It
 * writes bench/results/forecast.json and the tables of docs/forecast.md.
 *
 * Everything that was forecast is kept in a cache folder by the hash of what it depends on, so that a run after a change
 * of ours costs ours alone; HEADROOM_CACHE=$(mktemp -d) runs with nothing cached. For a quick look, which writes neither:
 *
 *   SERIES=vm228,crane ORIGINS=8 METHODS=headroom,persistence,LightGBM make bench-forecast
 *
 * DEVELOP=1 cuts every trace where its reported part begins and does all of this with the rest: what is chosen by those
 * figures was not chosen by what is reported.
 *
 * CACHED=1 makes nothing and scores what is there; with RESULT=1 it writes the result of that, with how many series each
 * figure stands on. SERIES: parts of ids; ORIGINS: origins a series; METHODS: names of methods; JOBS: processes of ours at once;
 * EACH=1 prints every series.
 */

const listOf = (name: string): string[] | undefined => {
  const text = process.env[name];
  return text === undefined || text === '' ? undefined : text.split(',').map((part) => part.trim());
};

async function main(): Promise<void> {
  const named = process.env['TRACES'];
  const folder = named ? resolve(named) : join(checkoutRoot(), '..', 'shared', 'traces');
  if (!existsSync(folder)) {
    console.log(`skipped: there are no traces at ${folder}; name their folder: make bench-forecast TRACES=FOLDER`);
    return;
  }
  const develop = process.env['DEVELOP'] === '1';
  const only = listOf('SERIES');
  const wanted = listOf('METHODS');
  const count = Number(process.env['ORIGINS'] || ORIGINS);
  const begun = Date.now();
  const say = (line: string): void =>
    console.error(`${((Date.now() - begun) / 1000).toFixed(0).padStart(5)} s  ${line}`);
  const { traces, skipped } = await readTraces(folder, develop ? CHOSEN : 1);
  for (const { id, reason } of skipped) say(`${id} is left out: ${reason}`);
  const all: Task[] = traces.map((trace) => ({ trace, origins: originsOf(trace.series, count) }));
  const tasks = all.filter(({ trace }) => only === undefined || only.some((part) => trace.id.includes(part)));
  const processes = Number(process.env['JOBS'] || Math.min(2, availableParallelism()));
  const methods = allMethods(all, processes).filter(({ name, kind }) =>
    wanted === undefined ? kind !== 'part' : wanted.includes(name),
  );
  const cached = process.env['CACHED'] === '1';
  let shared = 0;
  const scored: Scored[] = [];
  for (const method of methods) {
    if (!cached) await method.make(tasks, say);
    if (method.kind === 'ours' && tasks.some((task) => isMade(method, task))) shared = (await method.shared?.()) ?? 0;
    for (const task of tasks) {
      if (cached && !isMade(method, task)) continue;
      const { forecasts, cost } = readMade(method, task);
      const { series, id } = task.trace;
      const season = stepsOf(86_400, series.step);
      const scores = HORIZONS.map(({ seconds }) =>
        score(forecasts, series.values, stepsOf(seconds, series.step), season),
      );
      scored.push({ method: method.name, kind: method.kind, series: id, scores, cost });
    }
  }
  const table = tableOf(scored);
  console.log(table.text);
  if (process.env['EACH'] === '1') console.log(table.each);
  const asked = !develop && only === undefined && wanted === undefined && count === ORIGINS;
  const whole = asked && (!cached || process.env['RESULT'] === '1');
  if (!whole) {
    say('a part of the bench: no result is written');
    return;
  }
  const seconds = (Date.now() - begun) / 1000;
  const results = resultsOf(scored, shared);
  writeResults('forecast', results);
  await writeDocument(join(checkoutRoot(), 'docs', 'forecast.md'), scored, { results, skipped, count, seconds });
}

await main();
