import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, startProcess, toolPath, type ServerProcess } from '../../infra/servers/index.js';

export const USER = 'headroom';
export const PASSWORD = 'open sesame';
/** bcrypt of {@link PASSWORD}, at the least cost that the server takes. */
const HASH = '$2b$04$wBVvy2YUX4fzV.2qrQhv3.bSYTQh9mJOZBSnf1qSO9b.BqK4jF736';

export interface ProtectedPrometheus {
  url: string;
  headers: Record<string, string>;
  process: ServerProcess;
  remove(): Promise<void>;
}

/** A Prometheus that asks for a password, and takes samples of any time by remote write; `scrape`: YAML of its jobs. */
export async function startProtectedPrometheus(scrape = ''): Promise<ProtectedPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'headroom-prometheus-'));
  await mkdir(join(folder, 'data'));
  const config = `global: { scrape_interval: 1s }\nstorage: { tsdb: { out_of_order_time_window: 5000d } }\n${scrape}`;
  await writeFile(join(folder, 'prometheus.yaml'), config);
  await writeFile(join(folder, 'web.yaml'), `basic_auth_users: { ${USER}: ${HASH} }\n`);
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const headers = { authorization: `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}` };
  const process = await startProcess({
    name: 'prometheus',
    command: toolPath('prometheus'),
    args: [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--web.config.file=${join(folder, 'web.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--storage.tsdb.retention.time=5000d',
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      '--log.level=warn',
    ],
    cwd: folder,
    logFile: join(folder, 'log'),
    ready: async () => (await fetch(`${url}/-/ready`, { headers })).ok,
  });
  return {
    url,
    headers,
    process,
    async remove() {
      await process.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
