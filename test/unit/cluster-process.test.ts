import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetricBatch, UsageBatch } from '../../src/telemetry/port.js';
import { connectSimulatedCluster, type RemoteSimulation } from '../../src/cluster/simulated/client.js';
import { createScraper } from '../../src/cluster/simulated/scrape.js';
import { serveSimulation, type SimulationServer } from '../../src/cluster/simulated/server.js';
import type { SampleWindow } from '../../src/cluster/simulated/samples.js';
import { HeadroomError } from '../../src/domain/errors.js';
import { mutation, targetOf } from '../contract/cluster.js';
import { contractScenario } from '../contract/cluster-simulated-world.js';

const never = () => new AbortController().signal;
const T0 = contractScenario().clock.start;
const down = (problem: string) =>
  new HeadroomError({ kind: 'unavailable', component: 'test', action: 'testing', problem, remedy: 'wait' });

describe('the simulated cluster’s process', () => {
  let folder: string;
  let state: string;
  const open: SimulationServer[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'headroom-process-'));
    state = join(folder, 'state.jsonl');
  });
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
    rmSync(folder, { recursive: true });
  });

  const start = async (): Promise<[SimulationServer, RemoteSimulation]> => {
    const server = await serveSimulation({ scenario: contractScenario(), state });
    open.push(server);
    return [server, await connectSimulatedCluster(server)];
  };
  /** As SIGKILL leaves it: the journal as it is, the lock of a process that is no more. */
  const kill = async (server: SimulationServer) => {
    await server.close();
    open.splice(open.indexOf(server), 1);
    writeFileSync(`${state}.lock`, '999999999');
  };

  test('killed and started again, it stands where it stood, and knows the keys it has seen', async () => {
    const [server, cluster] = await start();
    await cluster.advance(T0 + 600);
    await cluster.apply(mutation(), targetOf('web'), never());
    await cluster.advance(T0 + 1200);
    const before = [await cluster.timeline({ step: 60 }), await cluster.samplesSince(T0, never())];
    await kill(server);
    const [, again] = await start();
    expect(await again.now()).toBe(T0 + 1200);
    expect([await again.timeline({ step: 60 }), await again.samplesSince(T0, never())]).toEqual(before);
    expect(await again.apply(mutation(), targetOf('web'), never())).toEqual({ kind: 'repeated', value: 5 });
  });

  test('a last line that was cut off was never answered: it is dropped, and what follows is whole', async () => {
    const [server, cluster] = await start();
    await cluster.apply(mutation(), targetOf('web'), never());
    await kill(server);
    appendFileSync(state, '{"at":1777852800,"command":{"kind":"app');
    const [second, again] = await start();
    expect(await again.apply(mutation(), targetOf('web'), never())).toEqual({ kind: 'repeated', value: 5 });
    await again.advance(T0 + 60);
    await kill(second);
    const [, third] = await start();
    expect(await third.now()).toBe(T0 + 60);
    for (const line of readFileSync(state, 'utf8').trim().split('\n'))
      expect(() => void JSON.parse(line)).not.toThrow();
  });

  test('one process has a state file; one scenario, too', async () => {
    const [server] = await start();
    await expect(start()).rejects.toThrow(`process ${process.pid} has it`);
    await kill(server);
    writeFileSync(state, readFileSync(state, 'utf8').replace(/"scenario":"\w{6}/, '"scenario":"000000'));
    await expect(start()).rejects.toThrow('another scenario');
    writeFileSync(state, 'something else\n');
    await expect(start()).rejects.toThrow('line 1 is not JSON');
  });

  test('time that runs goes on over a restart on the same scale', async () => {
    const [server, cluster] = await start();
    const scale = await cluster.run(600);
    await expect(cluster.run(60)).rejects.toThrow('it runs already');
    await expect(cluster.advance(T0 + 1e6)).rejects.toMatchObject({ kind: 'refused' });
    await kill(server);
    const [, again] = await start();
    expect(await again.scale()).toEqual(scale);
    expect(await again.now()).toBeGreaterThan(T0);
  });

  test.each([
    { row: 'the wrong token', token: 'guess', kind: 'refused', words: 'bearer token' },
    { row: 'no token', token: '', kind: 'refused', words: 'bearer token' },
  ])('$row opens nothing', async ({ token, kind, words }) => {
    const [server] = await start();
    await expect(connectSimulatedCluster({ url: server.url, token })).rejects.toMatchObject({ kind });
    await expect(connectSimulatedCluster({ url: server.url, token })).rejects.toThrow(words);
  });

  test.each([
    { row: 'no JSON', path: '/v1/observe', body: '{', status: 400, words: 'not JSON' },
    { row: 'an unknown fault', path: '/v1/faults', body: '{"kind":"earthquake"}', status: 400, words: 'kind' },
    { row: 'a write without a key', path: '/v1/apply', body: '{"account":"acme"}', status: 400, words: 'key' },
    {
      row: 'time that goes back',
      path: '/v1/clock/advance',
      body: '{"to":5}',
      status: 403,
      words: 'time goes forward',
    },
  ])('$row is answered with what is wrong', async ({ path, body, status, words }) => {
    const [server] = await start();
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(words);
  });

  test('a simulator that is not there is unavailable, and says where it was looked for', async () => {
    await expect(connectSimulatedCluster({ url: 'http://127.0.0.1:9', token: 'x' })).rejects.toMatchObject({
      kind: 'unavailable',
    });
  });

  test('shutdown ends the server', async () => {
    const [server, cluster] = await start();
    await cluster.shutdown();
    await expect
      .poll(async () => connectSimulatedCluster(server).catch((error: unknown) => error))
      .toMatchObject({ kind: 'unavailable' });
    open.splice(0);
  });
});

describe('scraper', () => {
  /** A source of one minute a cursor step, up to `end`; fails as often as it is told to. */
  function source(end: number) {
    const fake = {
      name: 'fake',
      end,
      failures: 0,
      samplesSince(since: number): Promise<SampleWindow> {
        if (fake.failures-- > 0) return Promise.reject(down('the source'));
        const at = Math.max(since, 60);
        if (at >= fake.end) return Promise.resolve({ usage: [], metrics: [], cursor: at, more: false });
        const samples = [{ at, value: at }];
        const usage = [{ key: { account: 'acme', workload: 'web', component: 'cpu' as const }, samples }];
        return Promise.resolve({ usage, metrics: [], cursor: at + 60, more: at + 60 < fake.end });
      },
    };
    return fake;
  }
  const collect = () => {
    const times: number[] = [];
    const sink = {
      times,
      failures: 0,
      write(usage: UsageBatch[], _metrics: MetricBatch[]): Promise<void> {
        if (sink.failures-- > 0) return Promise.reject(down('the sink'));
        times.push(...usage.flatMap(({ samples }) => samples.map(({ at }) => at)));
        return Promise.resolve();
      },
    };
    return sink;
  };

  test('takes all there is, in order, each minute once, whatever fails in between', async () => {
    const cluster = source(600);
    const sink = collect();
    const errors: unknown[] = [];
    const scraper = createScraper({ cluster, sink: sink.write, everyMs: 1, onError: (error) => errors.push(error) });
    await expect.poll(() => scraper.cursor()).toBe(600);
    sink.failures = 2;
    cluster.failures = 1;
    cluster.end = 1200;
    await expect.poll(() => scraper.cursor()).toBe(1200);
    await scraper.stop();
    expect(sink.times).toEqual(Array.from({ length: 19 }, (_, index) => 60 * (index + 1)));
    expect(errors.length).toBeGreaterThanOrEqual(3);
  });

  test('a round that fails says so, keeps its place, and the next one clears it', async () => {
    const cluster = source(300);
    const sink = collect();
    const scraper = createScraper({ cluster, sink: sink.write, everyMs: 3_600_000, since: 120 });
    await expect.poll(() => scraper.cursor()).toBe(300);
    cluster.end = 600;
    sink.failures = 1;
    await expect(scraper.scrape()).rejects.toThrow('the sink');
    expect(scraper.cursor()).toBe(300);
    await scraper.scrape();
    expect(scraper.cursor()).toBe(600);
    await scraper.stop();
    expect(sink.times).toEqual([120, 180, 240, 300, 360, 420, 480, 540]);
  });

  test('two who ask at once do not write a minute twice', async () => {
    const sink = collect();
    const scraper = createScraper({ cluster: source(600), sink: sink.write, everyMs: 3_600_000 });
    await Promise.all([scraper.scrape(), scraper.scrape()]);
    await scraper.stop();
    expect(sink.times).toHaveLength(9);
  });
});
