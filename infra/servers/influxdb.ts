import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from './locate.js';
import { answers, freePorts, startProcess, type ServerProcess } from './process.js';

export interface InfluxServer {
  url: string;
  org: string;
  /** A bucket without retention, made at set-up. */
  bucket: string;
  /** Of the operator: may do everything. */
  token: string;
  process: ServerProcess;
}

/** InfluxDB 2 on loopback, set up with one user, organisation and bucket. `folder` has to be empty or of an earlier start. */
export async function startInflux(options: { folder: string }): Promise<InfluxServer> {
  const { folder } = options;
  await mkdir(folder, { recursive: true });
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const [org, bucket, token] = ['headroom', 'telemetry', 'operator-of-this-test-server'];
  const process = await startProcess({
    name: 'influxd',
    command: toolPath('influxd'),
    args: [
      ...['--http-bind-address', `127.0.0.1:${port}`, '--bolt-path', join(folder, 'influxd.bolt')],
      ...['--engine-path', join(folder, 'engine'), '--sqlite-path', join(folder, 'influxd.sqlite')],
      ...['--reporting-disabled', '--log-level', 'warn'],
    ],
    cwd: folder,
    logFile: join(folder, 'influxd.log'),
    ready: () => answers(`${url}/health`),
  });
  const setup = await fetch(`${url}/api/v2/setup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'operator', password: 'of-a-test-server', org, bucket, token }),
  });
  // 422: a folder of an earlier start is set up already.
  if (!setup.ok && setup.status !== 422) {
    await process.stop();
    throw new Error(`setting InfluxDB up: ${setup.status} ${await setup.text()}`);
  }
  return { url, org, bucket, token, process };
}
