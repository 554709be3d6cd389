import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { startControlPlane } from '../infra/servers/index.js';
import { startDevServer } from '../src/temporal/server.js';
import { processorSeconds, residentMemory } from './cycles/process.js';
import { openApiProxy, type ApiProxy } from '../infra/servers/api-proxy.js';
import { build, deploymentOf, namespaceOf, type Scene } from './observe/scene.js';
import { percentile, writeResults } from './result.js';

/*
 * What it takes to observe 1,000 Deployments in 50 namespaces (50 accounts of 20 workloads, each of 2 pods) on a real
 * control plane with kwok nodes: memory of the worker's process, and requests to the API server in an idle cycle of five
 * minutes in which each account looks once, evenly spread, and all of them once together at its end. Beside it, in the
 * same run, the same cycle polled object by object.
 */

const { values } = parseArgs({
  options: {
    namespaces: { type: 'string', default: '50' },
    deployments: { type: 'string', default: '20' },
    replicas: { type: 'string', default: '2' },
    cycle: { type: 'string', default: '300' },
    dry: { type: 'boolean', default: false },
  },
});
const scene: Scene = {
  namespaces: Number(values.namespaces),
  deployments: Number(values.deployments),
  replicas: Number(values.replicas),
};
const cycleMs = Number(values.cycle) * 1000;
const MB = 1e6;
const say = (line: string): void => console.error(line);

const answerSchema = z.object({
  ready: z.boolean().optional(),
  account: z.number().optional(),
  error: z.string().optional(),
  milliseconds: z.number().default(0),
  bytes: z.number().default(0),
  workloads: z.number().default(0),
});
type Answer = z.infer<typeof answerSchema>;

interface Observer {
  pid: number;
  look(account: number): Promise<Answer>;
  end(): Promise<void>;
}

async function startObserver(proxy: ApiProxy, temporal: string): Promise<Observer> {
  const script = fileURLToPath(new URL('./observe/observer.js', import.meta.url));
  const { url, token } = proxy;
  const child = fork(script, [JSON.stringify({ url, token, temporal, deployments: scene.deployments })]);
  const waiting = new Map<number, (answer: Answer) => void>();
  let ready: () => void = () => undefined;
  const started = new Promise<void>((resolve, reject) => {
    ready = resolve;
    child.once('exit', (code) => reject(new Error(`the observer ended with ${String(code)}`)));
  });
  child.on('message', (message) => {
    const answer = answerSchema.parse(message);
    if (answer.ready === true) ready();
    else waiting.get(answer.account ?? -1)?.(answer);
  });
  await started;
  return {
    pid: child.pid ?? 0,
    async look(account) {
      const answer = await new Promise<Answer>((resolve) => {
        waiting.set(account, resolve);
        child.send({ look: account });
      });
      if (answer.error !== undefined) throw new Error(answer.error);
      if (answer.workloads !== scene.deployments)
        throw new Error(`account ${account} saw ${answer.workloads} workloads`);
      return answer;
    },
    async end() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.send({ look: null });
      await gone;
    },
  };
}

const accounts = Array.from({ length: scene.namespaces }, (_, index) => index);

/** One look at everything as it was before there were watches: each object by itself. */
async function poll({ url, token, requests }: ApiProxy): Promise<{ requests: number; seconds: number }> {
  const before = requests.length;
  const began = performance.now();
  const get = async (path: string): Promise<void> => {
    const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    await answer.json();
  };
  for (const account of accounts) {
    const namespace = namespaceOf(account);
    await Promise.all([
      get(`/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`),
      get('/api/v1/nodes?labelSelector=headroom.dev%2Fpool%3Dgeneral'),
      ...Array.from({ length: scene.deployments }, (_, index) =>
        get(`/apis/apps/v1/namespaces/${namespace}/deployments/${deploymentOf(index)}`),
      ),
    ]);
  }
  return { requests: requests.length - before, seconds: (performance.now() - began) / 1000 };
}

const folder = await mkdtemp(join(tmpdir(), 'headroom-bench-'));
const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
try {
  const plane = await startControlPlane({ folder: join(folder, 'kubernetes'), nodes: 0, metricsServer: false });
  ends.push(() => plane.stop());
  await build(plane, scene, say);
  const temporal = await startDevServer({ databaseFile: join(folder, 'temporal.db'), env: process.env });
  ends.push(() => temporal.close());
  const proxy = await openApiProxy(plane.kubeconfig);
  ends.push(() => proxy.close());
  const polled = await poll(proxy);

  proxy.requests.length = 0;
  const observer = await startObserver(proxy, temporal.address);
  ends.push(() => observer.end());
  const bare = residentMemory(observer.pid);
  const began = performance.now();
  const first = await Promise.all(accounts.map((account) => observer.look(account)));
  const firstSeconds = (performance.now() - began) / 1000;
  const firstRequests = proxy.requests.length;
  // What controllers still do of their own accord after the build is not idle.
  await delay(Math.min(60_000, cycleMs));

  proxy.requests.length = 0;
  const looks: Answer[] = [];
  const processorBefore = processorSeconds(observer.pid) ?? 0;
  const started = performance.now();
  let most = 0;
  for (const account of accounts) {
    await delay(Math.max(0, started + (account * cycleMs) / scene.namespaces - performance.now()));
    looks.push(await observer.look(account));
    most = Math.max(most, residentMemory(observer.pid)?.now ?? 0);
  }
  await delay(Math.max(0, started + cycleMs - performance.now()));
  looks.push(...(await Promise.all(accounts.map((account) => observer.look(account)))));
  most = Math.max(most, residentMemory(observer.pid)?.now ?? 0);
  const idle = [...proxy.requests];
  const processor = (processorSeconds(observer.pid) ?? 0) - processorBefore;
  for (const one of idle) say(`idle: ${one}`);

  const what = `${scene.namespaces * scene.deployments} Deployments, ${scene.namespaces * scene.deployments * scene.replicas} pods, ${scene.namespaces} namespaces`;
  const peak = residentMemory(observer.pid)?.peak ?? null;
  const results = [
    {
      metric: 'worker memory while observing',
      value: Math.round(most / MB),
      unit: 'MB',
      goal: 300,
      better: 'lower' as const,
      note: `${what}; a worker of the cluster queue with its Temporal runtime, most over a cycle; peak ${peak === null ? 'unknown' : Math.round(peak / MB)} MB, before the first look ${Math.round((bare?.now ?? 0) / MB)} MB`,
    },
    {
      metric: 'API requests in an idle cycle',
      value: idle.length,
      unit: 'requests',
      goal: 5,
      better: 'lower' as const,
      peer: 'each object read by itself, once',
      peerValue: polled.requests,
      note: `${scene.namespaces} accounts, a look each spread over ${values.cycle} s, and all at once at the end`,
    },
    {
      metric: 'first look of all accounts, lists and all',
      value: Math.round(firstSeconds * 100) / 100,
      unit: 's',
      goal: null,
      better: 'lower' as const,
      peer: 'each object read by itself, once',
      peerValue: Math.round(polled.seconds * 100) / 100,
      note: `${firstRequests} requests`,
    },
    {
      metric: 'a look of one account, p95',
      value: percentile(
        looks.map(({ milliseconds }) => milliseconds),
        0.95,
      ),
      unit: 'ms',
      goal: null,
      better: 'lower' as const,
      note: `${scene.deployments} workloads`,
    },
    {
      metric: 'what a look puts into a history, by workload',
      value: Math.round(Math.max(...first.map(({ bytes }) => bytes)) / scene.deployments),
      unit: 'bytes',
      goal: null,
      better: 'lower' as const,
    },
    {
      metric: 'processor time of an idle cycle',
      value: Math.round(processor * 100) / 100,
      unit: 's',
      goal: null,
      better: 'lower' as const,
    },
  ];
  if (values.dry) for (const result of results) console.log(JSON.stringify(result));
  else writeResults('observe', results);
} finally {
  for (const end of ends.reverse()) await end().catch((error: unknown) => say(String(error)));
}
