import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startControlPlane, startInflux, startPrometheus } from '../../infra/servers/index.js';
import type { RealServers } from './real.js';

declare module 'vitest' {
  interface ProvidedContext {
    real: RealServers;
  }
}

/**
 * The servers that all files share: InfluxDB, Prometheus, a control plane. A server of your own, named by the
 * environment, is used instead, and left as it is.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'headroom-real-'));
  const stops: (() => Promise<void>)[] = [];
  const teardown = async (): Promise<void> => {
    await Promise.all(stops.map((stop) => stop()));
    await rm(folder, { recursive: true, force: true });
  };
  // Ctrl-C ends the servers in order; where even that is cut short, the reaper ends them.
  const interrupted = (): void => void teardown().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);

  const influx = async (): Promise<RealServers['influx']> => {
    const url = process.env['HEADROOM_REAL_INFLUX_URL'];
    if (url !== undefined) {
      return { url, token: named('HEADROOM_REAL_INFLUX_TOKEN'), org: named('HEADROOM_REAL_INFLUX_ORG'), own: true };
    }
    const server = await startInflux({ folder: join(folder, 'influxdb') });
    stops.push(server.process.stop);
    return { url: server.url, token: server.token, org: server.org, own: false };
  };
  const prometheus = async (): Promise<RealServers['prometheus']> => {
    const url = process.env['HEADROOM_REAL_PROMETHEUS_URL'];
    if (url !== undefined) return { url, own: true };
    const server = await startPrometheus({ folder: join(folder, 'prometheus') });
    stops.push(server.process.stop);
    return { url: server.url, own: false };
  };
  const cluster = async (): Promise<RealServers['cluster']> => {
    const kubeconfig = process.env['HEADROOM_REAL_KUBECONFIG'];
    if (kubeconfig !== undefined) return { kubeconfig, own: true };
    const plane = await startControlPlane({
      folder: join(folder, 'kubernetes'),
      // As in a cluster, but sooner: a test waits for what an autoscaler does, not for its pauses.
      controllerFlags: [
        ...[
          '--horizontal-pod-autoscaler-sync-period',
          '2s',
          '--horizontal-pod-autoscaler-downscale-stabilization',
          '5s',
        ],
      ],
    });
    stops.push(plane.stop);
    return { kubeconfig: plane.kubeconfig, own: false };
  };
  try {
    const [one, two, three] = await Promise.all([influx(), prometheus(), cluster()]);
    project.provide('real', { influx: one, prometheus: two, cluster: three });
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

function named(variable: string): string {
  const value = process.env[variable];
  if (value === undefined || value === '') throw new Error(`HEADROOM_REAL_INFLUX_URL is set: set ${variable} too`);
  return value;
}
