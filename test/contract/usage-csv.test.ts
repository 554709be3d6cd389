import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Component } from '../../src/domain/component.js';
import type { Sample } from '../../src/domain/series.js';
import { createCsvUsage } from '../../src/telemetry/csv.js';
import type { UsageSource } from '../../src/telemetry/port.js';
import { usageSourceContract } from './usage-source.js';

const readOnly = 'a CSV file is read and never written to';
const local = 'there is no server between the caller and the file';

usageSourceContract(
  'csv',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headroom-csv-'));
    const files = new Map<string, { columns: Map<string, Map<number, number>>; path: string }>();
    const write = async (workload: string, column: string, samples: readonly Sample[]): Promise<void> => {
      const file = files.get(workload) ?? { columns: new Map(), path: join(folder, `${files.size}.csv`) };
      files.set(workload, file);
      const cells = file.columns.get(column) ?? new Map<number, number>();
      file.columns.set(column, cells);
      for (const { at, value } of samples) cells.set(at, value);
      const times = [...new Set([...file.columns.values()].flatMap((one) => [...one.keys()]))].sort((a, b) => a - b);
      const rows = times.map((time) =>
        [time, ...[...file.columns.values()].map((one) => String(one.get(time) ?? '').replace('NaN', ''))].join(','),
      );
      await writeFile(file.path, [['timestamp', ...file.columns.keys()].join(','), ...rows, ''].join('\n'));
    };
    const COMPONENTS: readonly Component[] = ['cpu', 'memory'];
    const current = (): UsageSource =>
      createCsvUsage({
        account: 'acme',
        workloads: [...files].map(([workload, { path, columns }]) => ({
          workload,
          path,
          components: Object.fromEntries(COMPONENTS.filter((one) => columns.has(one)).map((one) => [one, one])),
          metrics: Object.fromEntries([...columns.keys()].map((one) => [one, one])),
        })),
      });
    return {
      source: {
        name: 'csv',
        readUsage: (query, signal) => current().readUsage(query, signal),
        readMetric: (query, signal) => current().readMetric(query, signal),
        close: () => Promise.resolve(),
      },
      load: ({ workload, component }, samples) => write(workload, component, samples),
      loadMetric: ({ workload, metric }, samples) => write(workload, metric, samples),
      close: () => rm(folder, { recursive: true, force: true }),
    };
  },
  {
    'a bin is censored where any of its samples is': 'a CSV file has no column for throttling',
    'an account never sees another one’s data': 'one CSV source has the files of one account; its own tests cover it',
    'a call that is cancelled under way ends with the reason': local,
    'a server that does not answer is unavailable': local,
    'a slow server is waited for, a dripping one not for ever': local,
    'an answer that is cut off is unavailable, never a shorter series': local,
    'a token that is not accepted is refused': local,
    'a repeated write writes nothing': readOnly,
    'a correction is read, and an older snapshot keeps its bytes': readOnly,
    'a snapshot of the same content has the same id': readOnly,
    'late data is not in a snapshot taken before': readOnly,
    'a snapshot is read from any bin on': readOnly,
    'records are replaced by kind and id, and listed for their account alone': readOnly,
    'records are read on from a place, oldest first': readOnly,
    'records of one kind are written together, or not at all': readOnly,
  },
);
