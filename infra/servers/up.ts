import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlPlane, startInflux, startPrometheus } from './index.js';

/* `make servers`: all of them in the foreground, for trying Headroom by hand. */

const folder = await mkdtemp(join(tmpdir(), 'headroom-servers-'));
const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
const [influx, prometheus, cluster] = await Promise.all([
  startInflux({ folder: join(folder, 'influxdb') }),
  startPrometheus({ folder: join(folder, 'prometheus') }),
  startControlPlane({ folder: join(folder, 'kubernetes') }),
]);
process.stdout.write(
  [
    `export KUBECONFIG=${cluster.kubeconfig}`,
    `export INFLUX_URL=${influx.url} INFLUX_TOKEN=${influx.token} INFLUX_ORG=${influx.org} INFLUX_BUCKET=${influx.bucket}`,
    `export PROMETHEUS_URL=${prometheus.url}`,
    `# Prometheus's configuration: ${join(prometheus.folder, 'prometheus.yaml')} (curl -X POST ${prometheus.url}/-/reload)`,
    '# Ctrl-C stops all of them and removes their data.',
    '',
  ].join('\n'),
);
await ended;
await Promise.all([cluster.stop(), influx.process.stop(), prometheus.process.stop()]);
await rm(folder, { recursive: true, force: true });
