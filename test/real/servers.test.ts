import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../infra/servers/locate.js';
import { applyObjects, eventually, kubectl, ownNamespace, real } from './real.js';

/* That the servers are what the other tests take them for: real ones, and nobody's after the run. */

describe('the servers', () => {
  let namespace: { name: string; remove(): Promise<void> };
  beforeAll(async () => {
    namespace = await ownNamespace('servers');
  });
  afterAll(() => namespace.remove());

  it('the control plane schedules a Deployment onto nodes and gets it ready', async () => {
    await kubectl(['-n', namespace.name, 'create', 'deployment', 'web', '--image=web', '--replicas=2']);
    await kubectl(['-n', namespace.name, 'rollout', 'status', 'deployment/web', '--timeout=300s']);
  });

  it('a pod that is told to never gets ready', async () => {
    await applyObjects({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'stuck', namespace: namespace.name, annotations: { 'headroom.test/never-ready': 'true' } },
      spec: { containers: [{ name: 'main', image: 'nowhere' }] },
    });
    const waiting = await eventually(() =>
      kubectl([
        ...['-n', namespace.name, 'get', 'pod', 'stuck'],
        ...['-o', 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'],
      ]),
    );
    expect(waiting).toBe('ImagePullBackOff');
  });

  it('InfluxDB and Prometheus answer', async () => {
    const [influx, prometheus] = await Promise.all([
      fetch(`${real.influx.url}/health`),
      fetch(`${real.prometheus.url}/-/ready`),
    ]);
    expect([influx.status, prometheus.status]).toEqual([200, 200]);
  });
});

describe('a run that is killed', () => {
  it('leaves no server behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headroom-reaper-'));
    const script = `
      import { startProcess } from ${JSON.stringify(join(ROOT, 'dist/infra/servers/index.js'))};
      const server = await startProcess({ name: 'sleep', command: 'sleep', args: ['600'], cwd: '/', logFile: ${JSON.stringify(join(folder, 'log'))}, ready: async () => true });
      console.log(server.pid);
      setInterval(() => {}, 1000);
    `;
    const run = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(run.stdout, 'data');
    const pid = Number(String(line).trim());
    const isThere = async (): Promise<boolean> => {
      const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
      return state !== null && !state.includes(') Z ');
    };
    expect(await isThere()).toBe(true);
    run.kill('SIGKILL');
    await eventually(async () => !(await isThere()));
    await rm(folder, { recursive: true });
  });
});

it('servers-build finds everything in the cache the second time', async () => {
  const { stderr } = await promisify(execFile)(process.execPath, [join(ROOT, 'dist/infra/servers/provide.js')]);
  expect(stderr).toBe('');
});
