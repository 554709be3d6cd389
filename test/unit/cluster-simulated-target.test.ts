import { beforeEach, describe, expect, test } from 'vitest';
import { connectSimulatedCluster } from '../../src/cluster/simulated/client.js';
import { serveSimulation, type SimulationServer } from '../../src/cluster/simulated/server.js';
import type { Simulation } from '../../src/cluster/simulated/adapter.js';
import type { FieldTarget } from '../../src/domain/cluster.js';
import { contractScenario } from '../contract/cluster-simulated-world.js';
import { ACCOUNT, KEY, mutation, targetOf } from '../contract/cluster.js';

/* The target of a simulated HPA, through the process' own door: what it is, who may write it, and that the HPA heeds it. */

const never = () => new AbortController().signal;
const target = (value: number, workload = 'api'): FieldTarget => ({ field: 'target', workload, value });

describe('the target of a simulated autoscaler', () => {
  let cluster: Simulation;
  let server: SimulationServer;
  beforeEach(async () => {
    server = await serveSimulation({ scenario: contractScenario() });
    cluster = await connectSimulatedCluster({ url: server.url, token: server.token });
    return () => server.close();
  });
  const see = async (workload = 'api') => {
    const request = { account: ACCOUNT, workloads: [targetOf(workload)], pools: [] };
    return (await cluster.observe(request, never())).workloads[0];
  };
  const apply = (value: number, seen: number, owner: string, workload = 'api') =>
    cluster.apply(
      mutation({ target: target(value, workload), expect: { value: seen, owner } }),
      targetOf(workload),
      never(),
    );
  const later = async (seconds: number) => cluster.advance((await cluster.now()) + seconds);

  test('is observed, raised once and given back with its owner', async () => {
    expect(await see()).toMatchObject({ autoscaler: { target: 0.5, userTarget: 0.5 }, owners: { target: 'kubectl' } });
    expect(await apply(0.9, 0.5, 'kubectl')).toEqual({ kind: 'applied', value: 0.9 });
    expect(await apply(0.9, 0.5, 'kubectl')).toEqual({ kind: 'repeated', value: 0.9 });
    expect(await see()).toMatchObject({ autoscaler: { target: 0.9, userTarget: 0.5 }, owners: { target: 'headroom' } });
    const back = { key: '#back', changeKeys: [KEY], account: ACCOUNT, owner: 'kubectl', reason: 'no help' };
    expect(await cluster.restore({ ...back, target: target(0.5) }, targetOf('api'), never())).toMatchObject({
      kind: 'applied',
    });
    expect(await see()).toMatchObject({ autoscaler: { target: 0.5, userTarget: 0.5 }, owners: { target: 'kubectl' } });
  });

  test('is what its autoscaler goes by: raised, it lets replicas go that the floor does not ask for', async () => {
    await later(900);
    expect(await see()).toMatchObject({ replicas: 4 });
    await apply(0.9, 0.5, 'kubectl');
    await later(900);
    // One core of demand over 0.5 cores × 90 %.
    expect(await see()).toMatchObject({ replicas: 3 });
  });

  test.each<{ what: string; value: number; seen: number; owner: string; workload?: string; kind: string }>([
    { what: 'below the user’s', value: 0.4, seen: 0.5, owner: 'kubectl', kind: 'refused' },
    { what: 'beyond the request', value: 1.1, seen: 0.5, owner: 'kubectl', kind: 'refused' },
    { what: 'seen otherwise', value: 0.9, seen: 0.6, owner: 'kubectl', kind: 'moved' },
    { what: 'owned by another', value: 0.9, seen: 0.5, owner: 'argocd', kind: 'moved' },
    { what: 'without an autoscaler', value: 0.9, seen: 0.5, owner: 'kubectl', workload: 'web', kind: 'not-found' },
  ])('$what: $kind', async ({ value, seen, owner, workload, kind }) => {
    expect(await apply(value, seen, owner, workload)).toMatchObject({ kind });
    expect((await see())?.autoscaler?.target).toBe(0.5);
  });
});
