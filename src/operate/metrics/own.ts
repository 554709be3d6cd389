import type { Client } from '@temporalio/client';
import type { Activities } from '../../../activities/types.js';
import type { Decider } from '../../decide/port.js';
import { isHeadroomError } from '../../domain/errors.js';
import { createExposition } from './exposition.js';
import { createFigures } from './figures.js';
import { recordActivities, recordDecider } from './record.js';
import { serveMetrics, type MetricsServer, type Readiness } from './server.js';
import { watchAccounts, watchedBy } from './watch.js';

/** The port of OpenTelemetry's Prometheus exporters, which scrapers know. */
export const METRICS_PORT = 9464;
export const METRICS_HOST = '127.0.0.1';

export interface MetricsOptions {
  /** 0 takes a free one; absent: {@link METRICS_PORT}, and a free one where that is taken. */
  port?: number;
  host?: string;
  /** Accounts, and workloads and pools over all of them, with series of their own. */
  mostAccounts?: number;
  mostNames?: number;
}

/** Headroom's own metrics, from the wrapping of what a worker runs to the port that is scraped. */
export interface OwnMetrics {
  activities(activities: Activities): Activities;
  decider(decider: Decider): Decider;
  serve(worker: {
    build: { version: string; buildId: string };
    readiness: Readiness;
    /** Of a worker that serves workflows: it asks the accounts for what only they know. */
    client: Client | null;
    /** Simulated or real seconds. */
    now(): number;
  }): Promise<MetricsServer>;
}

export function createOwnMetrics(options: MetricsOptions = {}): OwnMetrics {
  const wall = (): number => Date.now();
  const figures = createFigures(wall);
  const { mostAccounts, mostNames } = options;
  const exposition = createExposition({
    figures,
    ...(mostAccounts === undefined ? {} : { mostAccounts }),
    ...(mostNames === undefined ? {} : { mostNames }),
  });
  const { render } = exposition;
  const host = options.host ?? METRICS_HOST;
  return {
    activities: (activities) => recordActivities(activities, figures, exposition.timings, wall),
    decider: (decider) => recordDecider(decider, figures),
    async serve({ build, readiness, client, now }) {
      exposition.build(build);
      const listen = (port: number) => serveMetrics({ port, host, render, readiness });
      const server = await listen(options.port ?? METRICS_PORT).catch((error: unknown) => {
        // A second worker on the machine must not fail for a port that nobody asked for.
        if (options.port === undefined && isHeadroomError(error) && error.kind === 'refused') return listen(0);
        throw error;
      });
      const watch = client === null ? null : watchAccounts({ watched: watchedBy(client), figures, now });
      return {
        url: server.url,
        async close() {
          await server.close();
          await watch?.close();
        },
      };
    },
  };
}
