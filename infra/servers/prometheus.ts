import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from './locate.js';
import { answers, freePorts, startProcess, type ServerProcess } from './process.js';

export interface PrometheusServer {
  url: string;
  folder: string;
  process: ServerProcess;
  /** Takes another configuration (YAML). */
  reload(config: string): Promise<void>;
}

/** Prometheus on loopback. `flags`: more of its own; `config`: YAML, default without targets. */
export async function startPrometheus(options: {
  folder: string;
  config?: string;
  flags?: readonly string[];
}): Promise<PrometheusServer> {
  const { folder, config = 'global: {}\n', flags = [] } = options;
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'prometheus.yaml');
  await writeFile(file, config);
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const process = await startProcess({
    name: 'prometheus',
    command: toolPath('prometheus'),
    args: [
      ...[
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      ...['--web.enable-lifecycle', '--web.enable-admin-api', '--web.enable-remote-write-receiver', '--log.level=warn'],
      ...flags,
    ],
    cwd: folder,
    logFile: join(folder, 'prometheus.log'),
    ready: () => answers(`${url}/-/ready`),
  });
  return {
    url,
    folder,
    process,
    async reload(next) {
      await writeFile(file, next);
      const response = await fetch(`${url}/-/reload`, { method: 'POST' });
      if (!response.ok) throw new Error(`Prometheus does not take the configuration: ${await response.text()}`);
    },
  };
}
